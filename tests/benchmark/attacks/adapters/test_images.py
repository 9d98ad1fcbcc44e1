"""Files of images that others made: every layout, and every reason to refuse one, in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.attacks.adapters import image_files
from benchmark.attacks.adapters.image_files import image_file
from benchmark.attacks.adapters.images import check_images
from benchmark.attacks.lookup import check_attack
from benchmark.execution.plugin_code import code_hashes
from estimators.data import archive_rows
from estimators.data.images import Images, as_floats
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec

COUNT, SHAPE = 12, (3, 8, 6)
RNG = np.random.default_rng(0)
CLEAN = RNG.random((COUNT, *SHAPE), dtype=np.float32)
X = np.clip(CLEAN + RNG.choice([-0.1, 0.1], CLEAN.shape), 0, 1).astype(np.float32)
LEVELS = np.rint(255 * X).astype(np.uint8)
IMAGES = Images(CLEAN, np.arange(COUNT) % 4, np.arange(COUNT), ("a", "b", "c", "d"))
NHWC = X.transpose(0, 2, 3, 1)

Write = Callable[[Path], Path]


def npz(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        np.savez_compressed(folder / "made.npz", **arrays)
        return folder / "made.npz"

    return write


def npy(array: Any) -> Write:
    def write(folder: Path) -> Path:
        np.save(folder / "made.npy", array, allow_pickle=True)
        return folder / "made.npy"

    return write


def pt(content: Any, name: str = "made.pt") -> Write:
    def write(folder: Path) -> Path:
        torch.save(content, folder / name)
        return folder / name

    return write


LAYOUTS: dict[str, Write] = {
    "own": npz(x=X, ids=np.arange(COUNT), y=np.arange(COUNT) % 4, about=np.array("{}")),
    "own, any order": npz(x=X[::-1], ids=np.arange(COUNT)[::-1]),
    "ART, x_adv": npz(x_adv=X, y_adv=np.zeros(COUNT)),
    "ART, NHWC": npz(x_adv=NHWC, x_clean=CLEAN),
    "ART, npy": npy(X),
    "ART, npy, NHWC": npy(NHWC),
    "float64": npz(x=X.astype(np.float64)),
    "one array of any name": npz(crafted=X, labels=np.arange(COUNT) % 4),
    "AutoAttack": pt({"adv_complete": torch.from_numpy(X)}),
    "AutoAttack, pth": pt({"adv_complete": torch.from_numpy(X)}, "made.pth"),
    "AutoAttack, with labels": pt({"adv_complete": torch.from_numpy(X), "y": torch.arange(12) % 4}),
    "a tensor": pt(torch.from_numpy(X)),
    "a tensor on its way": pt(torch.from_numpy(NHWC).permute(0, 3, 1, 2)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("large", [False, True], ids=["in memory", "on disk"])
def test_every_layout_gives_the_images_by_id(
    layout: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(archive_rows, "LARGE", 100)
    path = LAYOUTS[layout](tmp_path)
    found = image_file(path)
    ids = np.array([7, 0, 11])
    assert np.array_equal(as_floats(found.take(ids)), X[ids])
    assert found.has_ids == layout.startswith("own")
    check_images(Spec.of(f"images:{path}", eps=0.1), path, IMAGES[ids], own_indices=False)


def test_grey_levels_stay_grey_levels(tmp_path: Path) -> None:
    path = npz(x=LEVELS.transpose(0, 2, 3, 1))(tmp_path)
    assert image_file(path).take(np.arange(3)).dtype == np.uint8
    # half a level beyond the bound
    check_images(Spec.of(f"images:{path}", eps=0.1 + 0.5 / 255), path, IMAGES, own_indices=False)


def test_several_attacks_of_one_file_are_told_apart(tmp_path: Path) -> None:
    both = {"adv_complete": {"apgd-ce": torch.from_numpy(CLEAN), "square": torch.from_numpy(X)}}
    path = pt(both)(tmp_path)
    with pytest.raises(InputError, match=r"which array holds the images.*key=adv_complete.apgd-ce"):
        image_file(path)
    found = image_file(path, "adv_complete.square")
    assert np.array_equal(found.take(np.arange(COUNT)), X)


FAR = X.copy()
FAR[5] = np.clip(CLEAN[5] + 0.25, 0, 1)
REFUSED: dict[str, tuple[Write, dict[str, Any], str]] = {
    "no such file": (lambda folder: folder / "none.npz", {}, "no such file"),
    "no such kind": (lambda folder: folder / "made.png", {}, "expected one of the kind .npz"),
    "damaged": (lambda folder: damaged(folder), {}, "cannot be read"),
    "objects": (npy(np.array([{}], dtype=object)), {}, "cannot be read .*Python objects"),
    "code": (pt({"adv_complete": Path("x")}), {}, "cannot be read as plain tensors"),
    "no images": (npz(ids=np.arange(3)), {}, "which array holds the images"),
    "wrong key": (npz(x=X), {"key": "z"}, "has no array 'z'; it holds x"),
    "shape": (npz(x=X[:, :, :4]), {}, r"its images are \[3, 4, 6\], those of the .* \[3, 8, 6\]"),
    "whole numbers": (npz(x=LEVELS.astype(np.int32)), {}, "must be uint8 or float"),
    "0 to 255": (npz(x=255 * X), {}, "must lie in"),
    "NaN": (npz(x=np.where(X > 0.99, np.nan, X)), {}, "NaN or infinite"),
    "too few": (npz(x=X[:9]), {}, "its rows are the images 0 to 8.*lacks 3 of the 12 .*9, 10, 11"),
    "other ids": (npz(x=X, ids=np.arange(COUNT) + 1), {}, r"lacks 1 of the 12 .*\(image 0\)"),
    "ids twice": (npz(x=X, ids=np.zeros(COUNT, int)), {}, "0 more than once"),
    "ids of other number": (npz(x=X, ids=np.arange(3)), {}, "expected ids to be 12 integers"),
    "other labels": (npz(x=X, y=np.arange(COUNT) // 4), {}, r"\d+ of 12 labels are not those"),
    "not paired": (npz(x=np.roll(X, 1, axis=0)), {}, "row by row its images are not those"),
    "one outside": (
        npz(x=FAR), {"eps": 0.1}, r"1 of 12 images leave Linf 0.1 \(image 5\), by up to 0.15;"
    ),
    "L2": (npz(x=X), {"eps": 0.5, "norm": 2}, "12 of 12 images leave L2 0.5"),
    "L1": (npz(x=X), {"eps": 1, "norm": 1}, "12 of 12 images leave L1 1"),
    "L0": (npz(x=X), {"eps": 3, "norm": 0}, "12 of 12 images leave L0 3"),
}  # fmt: skip


def damaged(folder: Path) -> Path:
    path = npz(x=X)(folder)
    path.write_bytes(path.read_bytes()[:-300])
    return path


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    write, params, expected = REFUSED[case]
    path = write(tmp_path)
    spec = check_attack(Spec.of(f"images:{path}", params))
    with pytest.raises(InputError, match=expected) as refused:
        check_images(spec, path, IMAGES, own_indices=False)
    assert "\n" not in str(refused.value)


def test_rows_are_no_indices_where_the_data_have_their_own(tmp_path: Path) -> None:
    path = npz(x=X)(tmp_path)
    own = replace(IMAGES, ids=IMAGES.ids[::-1].copy())
    with pytest.raises(InputError, match="has no ids, and the data set numbers its images"):
        check_images(Spec(f"images:{path}"), path, own, own_indices=True)


def test_large_perturbations_are_paired_all_the_same(tmp_path: Path) -> None:
    path = npz(x=np.clip(CLEAN + RNG.choice([-0.8, 0.8], CLEAN.shape), 0, 1))(tmp_path)
    check_images(Spec(f"images:{path}"), path, IMAGES, own_indices=False)


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("images:adv.npz", "images:adv.npz", {}),
        ("images:out/adv.npz:eps=0.1,norm=2", "images:out/adv.npz", {"eps": 0.1, "norm": 2}),
        ("images:/a/fgsm_eps=0.1-x.npz", "images:/a/fgsm_eps=0.1-x.npz", {}),
        (r"images:C:\adv.pt:eps=8/255", r"images:C:\adv.pt", {"eps": 8 / 255}),
        ("lenet:weights=a/b.pt", "lenet", {"weights": "a/b.pt"}),
        ("a.b:factory:weights=b.pt", "a.b:factory", {"weights": "b.pt"}),
    ],
)
def test_names_with_files_are_read(text: str, name: str, params: dict[str, Any]) -> None:
    assert parse_spec(text) == Spec.of(name, params)


def test_parameters_are_those_of_the_row() -> None:
    checked = check_attack(Spec.of("images:a.npz", eps=1, norm="L2"))
    assert checked == Spec.of("images:a.npz", eps=1.0, norm=2)
    for bad in ({"epss": 1}, {"norm": 3}, {"eps": -1}, {"eps": 2}):
        with pytest.raises(InputError, match="attack images:a"):
            check_attack(Spec.of("images:a.npz", bad))


def test_the_key_follows_the_content_of_the_file(tmp_path: Path) -> None:
    path = npz(x=X)(tmp_path)
    name = f"attacks/images:{path}"
    first = code_hashes([name])[name]
    assert len(first) == 64
    np.savez(path, x=LEVELS)
    assert code_hashes([name])[name] != first
    assert np.array_equal(image_file(path).take(np.arange(1)), LEVELS[:1])
    image_files._image_file.cache_clear()
