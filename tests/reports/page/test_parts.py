"""Parts of the page: studies and their moving images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from reports.page.parts import studies


@pytest.mark.parametrize(("budget", "embedded"), [(10**6, True), (10, False)])
def test_an_animation_is_embedded_where_it_fits(
    tmp_path: Path, budget: int, embedded: bool
) -> None:
    folder = tmp_path / "studies" / "jpeg"
    folder.mkdir(parents=True)
    frames = [Image.new("L", (8, 8), grey) for grey in (0, 255)]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:])
    (folder / "table.csv").write_text("a\n1\n")
    for name in ("noise", "saliency"):
        (folder / name).mkdir()
        (folder / name / "summary.csv").write_text("a\n1\n")
    (part,) = studies(tmp_path, budget)
    files = [table["file"] for table in part["tables"]]
    assert files == ["noise/summary.csv", "saliency/summary.csv", "table.csv"]
    assert ("data:image/gif" in str(part)) == embedded
    assert "film" in str(part) and "table.csv" in str(part)
