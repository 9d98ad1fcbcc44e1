"""The check that every image that was asked for was scored."""

from __future__ import annotations

import pytest

from reports.audit.audit import audit
from tests.helpers.made_up import MadeUp


@pytest.mark.parametrize("samples", ["12", "all"])
def test_missing_images_are_a_warning(samples: str) -> None:
    made_up = MadeUp()
    row = next(row for row in made_up.rows if row["status"] == "ok")
    n = int(row["n"])
    for other in made_up.rows:
        other["samples"] = str(n) if samples != "all" else "all"
    made_up.manifest.setdefault("data", {})[row["dataset"]] = {"images": n}
    assert "images" not in set(audit(made_up.evidence)["check"])
    row["n"] = n - 3
    found = audit(made_up.evidence)
    (warning,) = found[found["check"] == "images"].to_dict("records")
    assert (warning["status"], warning["cases"]) == ("warn", 1)
    assert warning["detail"] == f"3 of {n} images cannot be read; {n - 3} were scored."
    assert "failures.log" in warning["advice"]
