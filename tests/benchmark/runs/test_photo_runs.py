"""Runs on folders of photos and on archives of others: right classes, broken files, streaming."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch import nn

from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid
from benchmark.runs import images as run_images
from benchmark.runs.finished.result import Result
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.classifier import BATCH
from estimators.data import archive_rows, streamed
from estimators.data.choice import stratified_order
from estimators.data.geometry import Geometry
from estimators.data.images import subset
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.train_or_load import train_or_load
from reports.results.read_write import read_results
from tests.helpers.photos import write_photos

# answers the class k whose grey level 20 (k + 1) is nearest to the image's mean
NETS = """
    import torch
    from torch import nn

    class Brightness(nn.Module):
        def __init__(self, outputs, order=None, labels=None):
            super().__init__()
            levels = 20.0 * torch.arange(1, outputs + 1)
            self.register_buffer("levels", levels[order] if order else levels)
            if labels:
                self.labels = labels

        def forward(self, x):
            return -((x.mean((1, 2, 3)) * 255)[:, None] - self.levels - 1).square() / 50

    def three():
        return Brightness(3)

    def five():
        return Brightness(5)

    def twelve():
        return Brightness(12)

    def labelled():
        # fox, cat, dog, and one that has no folder
        return Brightness(4, [2, 0, 1, 3], ["Fox", "cat", "Dog", "owl"])
"""


@pytest.fixture
def nets(module: Callable[[str, str], Path]) -> None:
    module("nets", NETS)


def run_on(
    dataset: object, network: str, out: Path, samples: int | str = "all", **options: Any
) -> tuple[Result, list[str]]:
    """Run FGSM at eps 0 and 0.01; gives the result and the messages."""
    lines: list[str] = []
    grid = Grid(
        name="photos",
        datasets=[dataset],  # type: ignore[list-item]
        networks=[network],
        attacks=[{"name": "fgsm", "eps": [0.0, 0.01]}],
        threats=["oblivious"],
        samples=samples,  # type: ignore[arg-type]
    )
    progress = Progress(message=lines.append)
    kept = {"threads": 1, "device": "cpu", **options}
    return run(grid, RunOptions(out=out, progress=progress, **kept)), lines


@pytest.mark.usefixtures("nets")
def test_folders_1_to_12_have_the_order_of_numbers(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "p", tuple(str(k) for k in range(1, 13)))
    result, lines = run_on(f"imagefolder:{root}", "nets:twelve", tmp_path / "out")
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    assert [line for line in lines if "class order: the names of the folders (1, 2, 3" in line]


@pytest.mark.usefixtures("nets")
def test_fewer_folders_than_outputs_need_a_file_of_classes(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"))
    dataset = f"imagefolder:{root}"
    with pytest.raises(InputError, match=r"5 outputs, the folder has 3 classes.*classes\.txt"):
        run_on(dataset, "nets:five", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (root / "classes.txt").write_text("cat\ndog\nfox\nhen\nowl\n")
    result, lines = run_on(dataset, "nets:five", tmp_path / "out")
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    about = json.loads((tmp_path / "out" / "manifest.json").read_text())["data"][dataset]
    assert about["classes"] == 5
    assert [line for line in lines if "classes.txt: 5 classes, 2 without a folder" in line]


@pytest.mark.usefixtures("nets")
def test_the_labels_of_a_network_give_the_order(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"))
    result, lines = run_on(f"imagefolder:{root}", "nets:labelled", tmp_path / "out")
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    assert [line for line in lines if "from the labels of nets:labelled: 4 classes" in line]
    # beside a file with another order
    (root / "classes.txt").write_text("cat\ndog\nfox\nowl\n")
    images, network = load_images(f"imagefolder:{root}", "test"), nn.Identity()
    network.labels = ["fox", "cat", "dog", "owl"]  # type: ignore[assignment]
    # class 0, cat, is output 1
    assert run_images.output_order(images, network, Spec("m:net")) == (1, 2, 0, 3)
    network.labels = ["cat", "dog", "fox", "owl"]  # type: ignore[assignment]
    assert run_images.output_order(images, network, Spec("m:net")) is None
    network.labels = ["cat", "dog", "fox", "emu"]  # type: ignore[assignment]
    assert run_images.output_order(images, network, Spec("m:net")) is None
    network.labels = ["emu", "owl", "fox", "dog", "cat"]  # type: ignore[assignment]
    more, note = run_images.with_classes_of(images, network, Spec("m:net"))
    assert note == "class order from the labels of m:net: 5 classes"
    names = [more.classes[label] for label in more.y]
    assert names == [images.classes[label] for label in images.y]


@pytest.mark.usefixtures("nets")
def test_outputs_follow_the_names_of_the_classes(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"))
    run_on(f"imagefolder:{root}", "nets:labelled", tmp_path / "right")
    # a file that has the labels of the network in another order
    (root / "classes.txt").write_text("owl\ncat\ndog\nfox\n")
    result, _ = run_on(f"imagefolder:{root}", "nets:labelled", tmp_path / "out")
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    manifests = [json.loads((tmp_path / d / "manifest.json").read_text()) for d in ("right", "out")]
    (weights, other) = (next(iter(m["weights"].values())) for m in manifests)
    assert other["recipe"].endswith("outputs in the order of the data's class names")
    assert weights["sha256"] != other["sha256"]
    about = manifests[1]["data"][f"imagefolder:{root}"]
    assert about["class_names"] == ["owl", "cat", "dog", "fox"]


@pytest.mark.usefixtures("nets")
def test_labels_from_1_are_refused_before_anything_is_computed(npz, tmp_path: Path) -> None:
    path = npz(y_test=np.arange(20) % 3 + 1)
    with pytest.raises(InputError, match=r"run from 1 to 3; expected 0 to 2: subtract 1"):
        run_on(f"npz:{path}", "nets:three", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nets")
def test_an_archive_may_hold_fewer_classes_than_the_network_has(npz, tmp_path: Path) -> None:
    x = np.full((6, 1, 8, 8), 21, np.uint8)
    x[3:] = 61
    path = npz(x_test=x, y_test=np.repeat([0, 2], 3))
    result, lines = run_on(f"npz:{path}", "nets:five", tmp_path / "out")
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    assert [line for line in lines if "5 classes, the outputs of nets:five" in line]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """120 photos in three classes, in folders that sort as the network's outputs do."""
    return write_photos(tmp_path / "p", {"cat": 10, "dog": 10, "fox": 10})


def sampled(root: Path, samples: int) -> list[Path]:
    """The files of the images that a run with these samples scores."""
    images = load_images(f"imagefolder:{root}", "test")
    files = sorted((root / "test").rglob("*.png"), key=lambda p: (p.parent.name, p.name))
    return [files[i] for i in subset(images, samples, 0).ids]


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("workers", [None, 1], ids=["threads", "dask"])
def test_a_broken_photo_is_one_missing_image(pets: Path, tmp_path: Path, workers: Any) -> None:
    bad = sampled(pets, 10)[4]
    content, time = bad.read_bytes(), bad.stat().st_mtime_ns
    bad.write_bytes(content[:40])
    options = {} if workers is None else {"workers": workers, "threads": None}
    dataset = f"imagefolder:{pets}"
    result, lines = run_on(dataset, "nets:three", tmp_path / "out", 10, **options)
    assert result.table["status"].tolist() == ["ok", "ok"]
    assert result.table["n"].tolist() == [9, 9]
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    log = (tmp_path / "out" / "failures.log").read_text().splitlines()
    assert len(log) == 1
    assert str(bad) in log[0] and "cannot be read" in log[0]
    assert [x for x in lines if "1 of 10 images cannot be read and are left out" in x]
    (warning,) = result.findings[result.findings["check"] == "images"].to_dict("records")
    assert warning["status"] == "warn"
    assert "1 of 10 images cannot be read" in warning["detail"]
    about = json.loads((tmp_path / "out" / "manifest.json").read_text())["data"][dataset]
    assert list(about["scored_sha256"]) == [result.table["data_sha256"][0]]
    assert len(about["unreadable"]) == 1
    if workers is not None:
        return
    again, _ = run_on(dataset, "nets:three", tmp_path / "out", 10)
    assert again.reused == 2
    # a repaired file is read again: another size, or another time
    bad.write_bytes(content)
    os.utime(bad, ns=(time, time + 10**9))
    mended, _ = run_on(dataset, "nets:three", tmp_path / "out", 10)
    assert mended.reused == 0
    assert mended.table["n"].tolist() == [10, 10]
    assert set(mended.table["data_sha256"]).isdisjoint(result.table["data_sha256"])


@pytest.mark.usefixtures("nets")
def test_a_cell_without_any_readable_photo_is_a_failed_row(pets: Path, tmp_path: Path) -> None:
    sampled(pets, 1)[0].write_bytes(b"")
    result, _ = run_on(f"imagefolder:{pets}", "nets:three", tmp_path / "out", 1)
    assert result.table["status"].tolist() == ["failed", "failed"]
    assert "none of its images can be read" in result.table["reason"][0]
    assert result.table["data_sha256"].notna().all()


@pytest.mark.usefixtures("nets")
def test_a_folder_of_broken_photos_is_refused(pets: Path, tmp_path: Path) -> None:
    for path in (pets / "test").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"none of 30 images can be read: .*\.png"):
        run_on(f"imagefolder:{pets}[crop=8]", "nets:three", tmp_path / "out")
    with pytest.raises(InputError, match=r"no photo can be read .*0\.png and all others"):
        run_on(f"imagefolder:{pets}", "nets:three", tmp_path / "out")


@pytest.mark.usefixtures("nets")
def test_only_a_chunk_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_photos(tmp_path / "p", {"cat": 150, "dog": 100, "fox": 100}, (8, 8))
    monkeypatch.setattr(streamed, "KEPT_BYTES", 0)
    sizes: list[int] = []
    take = streamed.Source.take

    def counted(self: streamed.Source, rows: Any) -> Any:
        sizes.append(len(rows))
        return take(self, rows)

    monkeypatch.setattr(streamed.Source, "take", counted)
    result, _ = run_on(f"imagefolder:{root}", "nets:three", tmp_path / "out")
    assert result.table["n"].tolist() == [350, 350]
    assert sum(sizes) >= 350
    assert max(sizes) <= BATCH
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.usefixtures("nets")
def test_photos_give_the_numbers_of_the_same_pixels_in_memory(pets: Path, tmp_path: Path) -> None:
    images = load_images(f"imagefolder:{pets}", "test")
    np.savez(tmp_path / "a.npz", x_test=images.read().pixels, y_test=images.y)
    tables = []
    for n, name in enumerate((f"imagefolder:{pets}", f"npz:{tmp_path / 'a.npz'}")):
        result, _ = run_on(name, "nets:three", tmp_path / str(n), 25)
        tables.append(result.table.drop(columns=["dataset", "cell", "data_sha256"]))
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.usefixtures("nets")
def test_a_large_archive_gives_the_numbers_of_a_small_one(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = load_images(f"imagefolder:{pets}", "test")
    np.savez_compressed(tmp_path / "a.npz", x_test=images.x, y_test=images.y)
    whole, _ = run_on(f"npz:{tmp_path / 'a.npz'}", "nets:three", tmp_path / "1", 25)
    monkeypatch.setattr(archive_rows, "LARGE", 0)
    parts, _ = run_on(f"npz:{tmp_path / 'a.npz'}", "nets:three", tmp_path / "2", 25)
    left = ["cell", "data_sha256"]
    pd.testing.assert_frame_equal(whole.table.drop(columns=left), parts.table.drop(columns=left))


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("workers", [None, 1], ids=["threads", "dask"])
def test_bad_pixels_of_a_large_archive_fail_the_cells_that_meet_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Any
) -> None:
    y = np.arange(600) % 3
    x = np.broadcast_to((20.0 * (y + 1) + 1)[:, None, None, None] / 255, (600, 1, 8, 8)).copy()
    # no check at the start reads this one
    late = [i for i in stratified_order(y, 0)[300:] if i > 300][-1]
    x[late, 0, 3, 3] = np.nan
    np.savez(tmp_path / "a.npz", x_test=x, y_test=y)
    monkeypatch.setattr(archive_rows, "LARGE", 0)
    options = {} if workers is None else {"workers": workers, "threads": None}
    result, _ = run_on(f"npz:{tmp_path / 'a.npz'}", "nets:three", tmp_path / "out", **options)
    assert result.table["status"].tolist() == ["failed", "failed"]
    assert "a.npz: x has NaN or infinite pixels" in result.table["reason"][0]
    few, _ = run_on(f"npz:{tmp_path / 'a.npz'}", "nets:three", tmp_path / "few", 30)
    assert few.table["clean_accuracy"].tolist() == [1.0, 1.0]


@pytest.mark.usefixtures("nets")
def test_brackets_and_parameters_are_one_cell(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "my photos [old]=1", ("cat", "dog", "fox"), (20, 30))
    name = f"imagefolder:{root}"
    result, _ = run_on(f"{name}[resize=16,crop=12]", "nets:three", tmp_path / "out")
    entry = {"name": name, "crop": 12, "resize": 16}
    again, _ = run_on(entry, "nets:three", tmp_path / "out")
    assert again.reused == 2
    assert again.table["dataset"].tolist() == [f"{name}[resize=16,crop=12]"] * 2
    assert list(result.table["cell"]) == list(again.table["cell"])
    assert read_results(tmp_path / "out")["dataset"].nunique() == 1


@pytest.mark.usefixtures("nets")
def test_a_network_brings_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"), (20, 30))
    level = 41
    Image.new("RGB", (50, 40), (level,) * 3).save(root / "test" / "dog" / "other.jpg")
    monkeypatch.setattr(run_images, "declared_geometry", lambda spec: Geometry(16, 12))
    name = f"imagefolder:{root}"
    result, lines = run_on(name, "nets:three", tmp_path / "out")
    assert result.table["clean_accuracy"].tolist() == [1.0, 1.0]
    assert [x for x in lines if "brought to [resize=16,crop=12], as nets:three declares" in x]
    about = json.loads((tmp_path / "out" / "manifest.json").read_text())["data"][name]
    assert about["shape"] == [3, 12, 12]
    assert about["read_as"] == f"{name}[resize=16,crop=12]"
    # options in the name go first
    result, lines = run_on(f"{name}[crop=8]", "nets:three", tmp_path / "crop")
    assert not [x for x in lines if "brought to" in x]


def test_photos_that_have_the_size_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_photos(tmp_path / "p", ("cat", "dog"), (12, 12))
    monkeypatch.setattr(run_images, "declared_geometry", lambda spec: Geometry(16, 12))
    name = f"imagefolder:{root}"
    assert run_images.with_declared_size(name, [Spec("a")]) == (name, "")
    sizes = {"a": Geometry(16, 12), "b": Geometry(16, 10)}
    monkeypatch.setattr(run_images, "declared_geometry", lambda spec: sizes[spec.name])
    with pytest.raises(InputError, match="declare different sizes"):
        run_images.with_declared_size(name, [Spec("a"), Spec("b")])
    assert run_images.with_declared_size("digits", [Spec("a"), Spec("b")]) == ("digits", "")


def test_training_on_photos_equals_training_on_the_same_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    for split in ("train", "test"):
        for n, pixels in enumerate(x):
            folder = tmp_path / "p" / split / str(n // 20)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{n:02d}.png")
    y = np.arange(40) // 20
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    hashes = {
        train_or_load(name, Spec("lenet"), 1, 0, out=tmp_path / f"{n}.safetensors").sha256
        for n, name in enumerate((f"imagefolder:{tmp_path / 'p'}", f"npz:{tmp_path / 'a.npz'}"))
    }
    assert len(hashes) == 1


def test_the_command_line_takes_brackets(nets: None, pets: Path, tmp_path: Path, bench) -> None:
    dataset = f"imagefolder:{pets}[resize=14,crop=12]"
    args = ["run", "--dataset", dataset, "--network", "nets:three", "--attack", "fgsm:eps=0.01"]
    args += ["--threat", "oblivious", "--defence", "none", "--samples", "10"]
    code, text = bench(*args, "--out", str(tmp_path / "out"))
    assert code == 0, text
    # the label of the data set stands for its name
    assert "p: class order: the names of the folders (cat, dog, fox)" in " ".join(text.split())
    assert read_results(tmp_path / "out")["n"].tolist() == [10]
    code, text = bench(*args[:2], f"imagefolder:{pets}[size=14]", *args[3:])
    assert code == 2
    assert "unknown option" in text
