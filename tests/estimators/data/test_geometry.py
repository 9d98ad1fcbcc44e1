"""Options of a data set, in brackets or as parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimators.data.geometry import Geometry, dataset_name, split_options
from estimators.errors import InputError
from estimators.spec import Spec

READ = {
    "imagefolder:p[resize=256,crop=224]": ("imagefolder:p", Geometry(256, 224)),
    "imagefolder:p[crop=224, resize=256]": ("imagefolder:p", Geometry(256, 224)),
    "imagefolder:p[crop=24]": ("imagefolder:p", Geometry(None, 24)),
    "imagefolder:p[resize=8,interpolation=bicubic]": (
        "imagefolder:p",
        Geometry(8, None, "bicubic"),
    ),
    "imagefolder:my photos [old]=2[crop=8]": ("imagefolder:my photos [old]=2", Geometry(None, 8)),
    "imagefolder:photos[old]": ("imagefolder:photos[old]", None),
    "imagefolder:a=b/c": ("imagefolder:a=b/c", None),
    "imagefolder:p[resize=2]/q": ("imagefolder:p[resize=2]/q", None),
    "npz:file[resize=2]": ("npz:file[resize=2]", None),
    "digits": ("digits", None),
}


@pytest.mark.parametrize("name", READ)
def test_options_stand_in_brackets_at_the_end(name: str) -> None:
    assert split_options(name) == READ[name]


def test_a_folder_may_be_named_like_options() -> None:
    Path("p[resize=2]").mkdir()
    assert split_options("imagefolder:p[resize=2]") == ("imagefolder:p[resize=2]", None)


BAD = {
    "imagefolder:p[size=224]": "unknown option .*'size'.*resize",
    "imagefolder:p[resize=0]": "resize must be an integer from 1",
    "imagefolder:p[resize=100000]": "resize must be an integer",
    "imagefolder:p[crop=abc]": "crop must be an integer",
    "imagefolder:p[crop=]": "crop must be an integer",
    "imagefolder:p[crop=2.5]": "crop must be an integer",
    "imagefolder:p[resize=224,crop=256]": "crop 256 is larger",
    "imagefolder:p[crop=8,crop=9]": "given twice",
    "imagefolder:p[interpolation=box]": "lanczos or nearest, got 'box'",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=BAD[name]) as told:
        split_options(name)
    assert "\n" not in str(told.value)


def test_parameters_and_brackets_give_one_name() -> None:
    name = "imagefolder:p[resize=256,crop=224]"
    assert dataset_name(Spec(name)) == name
    assert dataset_name(Spec("imagefolder:p[crop=224,resize=256]")) == name
    assert dataset_name(Spec.of("imagefolder:p", crop=224, resize=256)) == name
    assert dataset_name(Spec.of("imagefolder:p", crop=8, interpolation="bicubic")) == (
        "imagefolder:p[crop=8,interpolation=bicubic]"
    )
    assert dataset_name(Spec("mnist")) == "mnist"


def test_other_data_sets_take_no_parameters() -> None:
    with pytest.raises(InputError, match="mnist: takes no parameters, got crop"):
        dataset_name(Spec.of("mnist", crop=24))
    with pytest.raises(InputError, match="both in brackets and as parameters"):
        dataset_name(Spec.of("imagefolder:p[crop=8]", crop=8))
