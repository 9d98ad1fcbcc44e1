"""`bench anchors` on networks that the test makes: pass, fail, missing files, other files."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from benchmark.anchors import networks
from benchmark.anchors.anchor import MEASURES, NETWORKS, SHIPPED, load_anchors
from benchmark.anchors.exam import Sitting, sit
from estimators.errors import InputError

N, RIGHT = 20, 15
Entry = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a CNN-A of random weights, and images of which it gets 15 of 20 right."""
    torch.manual_seed(0)
    network = networks.cnn_a((1, 28, 28))
    torch.save({"state_dict": network.state_dict()}, tmp_path / "net.model")
    x = np.random.default_rng(0).random((N, 28, 28, 1), dtype=np.float32)
    with torch.no_grad():
        y = network.eval()(torch.from_numpy(x).permute(0, 3, 1, 2)).argmax(1).numpy()
    y[RIGHT:] = (y[RIGHT:] + 1) % 10
    np.savez(tmp_path / "own.npz", x_test=x, y_test=y, classes=np.array(list("0123456789")))
    return tmp_path


def entry(folder: Path, **changes: Any) -> Entry:
    """An anchor for the network of the folder; eps 1 breaks every image, eps 0 none."""

    def published(name: str) -> Entry:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        about = {"source": "https://example.org/repo", "commit": "0" * 40, "path": f"a/{name}"}
        return {"file": name, "sha256": digest, "licence": "MIT", **about}

    clean = 100 * RIGHT / N
    about = {"measure": "accuracy", "of": N, "samples": "all", "by": "the test"}
    checks = [
        {**about, "published": clean, "accept": [clean, clean]},
        {**about, "attack": "strongest:eps=1,budget=60", "published": 0, "accept": [None, 0]},
        {**about, "attack": "pgd:eps=0,max_iter=2", "published": clean, "proved": [clean, clean],
         "accept": [clean, clean]},
    ]  # fmt: skip
    given = {"name": "tiny", "about": "a test", "network": "cnn_a", "checks": checks}
    return {**given, "weights": published("net.model"), "data": published("own.npz"), **changes}


def write(folder: Path, *entries: Entry) -> Path:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_answers_that_are_known_pass(bench, folder: Path) -> None:
    path = write(folder, entry(folder))
    options = ("--weights-dir", str(folder), "--anchors", str(path), "--csv", "marks.csv")
    code, text = bench("anchors", *options)
    assert code == 0, text
    assert "3 pass, 0 fail, 0 skipped" in text
    marks = rows(Path("marks.csv"))
    assert [m["ours"] for m in marks] == ["75", "0", "75"]
    assert [m["images"] for m in marks] == ["20"] * 3
    assert marks[2]["proved"] == marks[2]["accepted"] == "75"


def test_a_wrong_answer_fails_with_exit_code_1(bench, folder: Path) -> None:
    tiny = entry(folder)
    # somebody claims that no image breaks, and that all are right
    tiny["checks"][0]["accept"] = [100, 100]
    tiny["checks"][1]["accept"] = [70, 75]
    path = write(folder, tiny)
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", str(path))
    assert code == 1
    assert "1 pass, 2 fail, 0 skipped" in text


def test_fewer_images_answer_with_an_interval(bench, folder: Path) -> None:
    path = write(folder, entry(folder))
    options = ("--weights-dir", str(folder), "--anchors", str(path), "--samples", "8")
    code, text = bench("anchors", *options, "--csv", "marks.csv")
    assert code == 0, text
    marks = rows(Path("marks.csv"))
    assert [m["images"] for m in marks] == ["8"] * 3
    assert marks[1]["ours"] == "0"


def test_missing_files_are_skipped_with_their_address(bench, folder: Path) -> None:
    lost = entry(folder, name="lost")
    lost["weights"] = {**lost["weights"], "file": "lost.model"}
    no_data = entry(folder, name="no-data")
    no_data["data"] = {**no_data["data"], "file": "lost.npz"}
    path = write(folder, lost, no_data, entry(folder))
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", str(path))
    assert code == 0, text
    assert "3 pass, 0 fail, 6 skipped" in text
    flat = "".join(text.split())
    assert f"https://example.org/repo/blob/{'0' * 40}/a/net.model" in flat
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", str(path), "--only",
                       "lost")  # fmt: skip
    assert code == 0 and "0 pass, 0 fail, 3 skipped" in text


@pytest.mark.parametrize("name", ["net.model", "own.npz"])
def test_another_file_is_not_read(bench, folder: Path, name: str) -> None:
    path = write(folder, entry(folder))
    (folder / name).write_bytes(b"something else")
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", str(path))
    assert code == 1
    assert "0 pass, 3 fail, 0 skipped" in text and "is another file" in text


def test_an_attack_of_another_version_is_skipped(bench, folder: Path) -> None:
    tiny = entry(folder)
    tiny["checks"] = [{**tiny["checks"][0], "attack": "attack-of-tomorrow"}]
    path = write(folder, tiny)
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", str(path))
    assert code == 0 and "no attack attack-of-tomorrow" in text


def test_checks_of_many_images_wait_for_full(bench, folder: Path) -> None:
    tiny = entry(folder)
    tiny["checks"] = [{**tiny["checks"][1], "samples": 0}]
    options = ("--weights-dir", str(folder), "--anchors", str(write(folder, tiny)))
    assert "0 pass, 0 fail, 1 skipped" in bench("anchors", *options)[1]
    assert "1 pass, 0 fail, 0 skipped" in bench("anchors", *options, "--full")[1]


def test_medians_are_over_right_images(bench, folder: Path) -> None:
    """DeepFool reaches every image of a network that is nearly linear: a median above 0."""
    tiny = entry(folder)
    check = {"measure": "l2_median", "of": N, "samples": "all", "by": "the test"}
    tiny["checks"] = [{**check, "attack": "deepfool", "published": 0.1, "accept": [0.001, 5]}]
    options = ("--weights-dir", str(folder), "--anchors", str(write(folder, tiny)))
    code, text = bench("anchors", *options)
    assert code == 0 and "1 pass, 0 fail, 0 skipped" in text


Change = Callable[[Entry], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.update(network="resnet"), "unknown network of .* known: cnn_a"),
        (lambda e: e.update(colour="red"), "unknown field"),
        (lambda e: e.pop("checks"), "checks is missing"),
        (lambda e: e.update(checks=3), "expected checks to be a list"),
        (lambda e: e["weights"].update(file="../net.model"), "a name without folders"),
        (lambda e: e["weights"].update(sha256="abc"), "64 hex digits"),
        (lambda e: e["weights"].update(commit=3), "expected commit to be text"),
        (lambda e: e["checks"][0].update(measure="l7"), "unknown measure"),
        (lambda e: e["checks"][0].update(accept=[1]), "accept to be .lowest, highest"),
        (lambda e: e["checks"][0].update(of=-1), "expected of to be a number of images"),
    ],
)
def test_a_bad_file_is_one_line(bench, folder: Path, change: Change, message: str) -> None:
    tiny = entry(folder)
    change(tiny)
    path = write(folder, tiny)
    with pytest.raises(InputError, match=message):
        load_anchors(path)
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", str(path))
    assert code == 2 and "Traceback" not in text


def test_bad_options(bench, folder: Path) -> None:
    path = str(write(folder, entry(folder)))
    code, text = bench("anchors", "--weights-dir", "nowhere", "--anchors", path)
    assert code == 2 and "no such folder" in text
    code, text = bench("anchors", "--weights-dir", str(folder), "--anchors", path, "--only", "big")
    assert code == 2 and "unknown network of --only 'big'" in text


def test_the_anchors_of_this_program() -> None:
    anchors = load_anchors(SHIPPED)
    assert len(anchors) == 6
    for anchor in anchors:
        assert callable(getattr(networks, anchor.network))
        assert anchor.weights.licence and anchor.weights.commit in anchor.weights.address
        # the clean accuracy is known of every network
        assert not anchor.checks[0].attack and anchor.checks[0].measure == "accuracy"
        for check in anchor.checks:
            assert check.measure in MEASURES
            low, high = check.accept
            assert low is None or high is None or low <= high
            if check.proved is not None:
                # no answer below what is proved may pass
                assert low == check.proved[0]
    assert set(NETWORKS) == {a.network for a in anchors}


@pytest.mark.slow
def test_the_strongest_attack_is_inside_every_bracket(bench, real_data: Path | None) -> None:
    if real_data is None or not (real_data / "networks").is_dir():
        pytest.skip("BENCH_DATA_DIR has no folder networks")
    for name in ("mnist-cnn-a-adv", "cifar-cnn-a-adv", "cifar-cnn-a-mix"):
        code, text = bench("anchors", "--weights-dir", str(real_data / "networks"), "--only", name)
        assert code == 0, text
        assert "2 pass, 0 fail" in text


def test_the_share_of_an_anchor_grows_to_the_whole(folder: Path) -> None:
    """By images: the three checks have 20 each."""
    (anchor,) = load_anchors(write(folder, entry(folder)))
    shares: list[float] = []
    assert len(list(sit(anchor, folder, how=Sitting(share=shares.append)))) == 3
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert any(abs(share - 1 / 3) < 1e-9 for share in shares)
