"""Every kind against what the library imagecorruptions and the authors' code made of images."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from corruption_check import IMAGEMAGICK, KINDS, differences

from benchmark.attacks.corruptions.kinds import KINDS as OURS
from benchmark.attacks.corruptions.strengths import SEVERITIES, STRENGTHS

# 40 x 48 pixels by imagecorruptions 1.1.2, and 32 x 32 by make_cifar_c.py, severities 2 and 5;
# without frost, whose photographs are not ours. Written by `corruption_check.py small`.
PUBLISHED = Path(__file__).parent / "published.npz"


def test_the_file_holds_every_kind() -> None:
    with np.load(PUBLISHED) as arrays:
        names = [name.split("/") for name in arrays.files if not name.endswith("/image")]
    assert {kind for case, kind, *_ in names if case == "library"} == set(OURS) - {"frost"}
    left_out = {"frost", *IMAGEMAGICK}
    assert {kind for case, kind, *_ in names if case != "library"} == set(OURS) - left_out


def test_kinds_are_those_of_the_paper() -> None:
    assert tuple(OURS) == KINDS
    assert set(STRENGTHS) == set(OURS)
    for sizes in STRENGTHS.values():
        assert [len(own) for own in sizes.values()] == [len(SEVERITIES)] * 3


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "frost"])
def test_every_kind_is_the_published_one(kind: str) -> None:
    """All but single values are equal; those are one grey level off, by rounding before a cut."""
    found = [part for _, own, _, part in differences(str(PUBLISHED)) if own == kind]
    assert len(found) == (2 if kind in IMAGEMAGICK else 4)
    for difference in found:
        assert np.abs(difference).max() <= 1
        assert np.mean(difference == 0) > 0.98


def runs_here() -> bool:
    """Whether imagecorruptions 1.1.2 is installed and can be imported and called."""
    try:
        if version("imagecorruptions") != "1.1.2":
            return False
    except PackageNotFoundError:
        return False
    code = (
        "import numpy; from imagecorruptions import corrupt;"
        "x = numpy.zeros((32, 32, 3), numpy.uint8);"
        "corrupt(x, 1, 'gaussian_blur'), corrupt(x, 1, 'fog')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_every_kind_is_that_of_the_installed_library(tmp_path: Path) -> None:
    """Frost included, at 224 pixels, all severities."""
    if not runs_here():
        pytest.skip("imagecorruptions 1.1.2 does not run here: see tests/tools/corruption_check.py")
    file = tmp_path / "library.npz"
    tool = Path(__file__).parents[3] / "tools" / "corruption_check.py"
    subprocess.run([sys.executable, str(tool), "write", str(file)], check=True)
    for case, kind, severity, difference in differences(str(file)):
        if case == "library":
            assert np.abs(difference).max() <= 1, (kind, severity)
            assert np.mean(difference == 0) > 0.9, (kind, severity)
