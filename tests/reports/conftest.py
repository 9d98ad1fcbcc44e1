"""Made-up runs for the tests of comparisons and gates."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_runs import Write, writer


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a made-up run, see `made_up_runs.writer`."""
    return writer(tmp_path)
