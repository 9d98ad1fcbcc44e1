"""The start of commands: the first line of progress in a terminal, and mistakes without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.speed.startup import FIRST_LINES, MISTAKE, REFUSED, STARTING, first_line

SAYS = "import time; print('one'); print('starting: x', flush=True); time.sleep(600)"


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_the_first_line_of_progress_is_awaited(tmp_path: Path) -> None:
    printed = first_line([sys.executable, "-c", SAYS], str(tmp_path))
    assert printed.startswith(b"one") and STARTING in printed
    with pytest.raises(RuntimeError, match="no line of progress: other"):
        first_line([sys.executable, "-c", "print('other')"], str(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("name", FIRST_LINES)
def test_commands_say_that_they_are_starting(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *FIRST_LINES[name]]
    assert b"loading PyTorch" in first_line(command, str(tmp_path))


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_refused_without_torch(name: str, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.argv[1:] = {list(REFUSED[name])!r}\n"
        "from benchmark.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == MISTAKE
    assert "did you mean" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
