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
from benchmark.anchors.anchor import MEASURES, NETWORKS, SHIPPED, Check, load_anchors
from benchmark.anchors.exam import Sitting, sit
from benchmark.anchors.kept import PIECE, Kept
from benchmark.anchors.marks import Tally, accuracy_mark
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


@pytest.fixture
def pieces_of_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty images are three pieces."""
    monkeypatch.setattr("benchmark.anchors.kept.PIECE", 8)
    monkeypatch.setattr("benchmark.anchors.exam.PIECE", 8)


def full(folder: Path, *more: str) -> tuple[str, ...]:
    tiny = entry(folder)
    # a network that nobody has broken so far: all that is known is that it is right on 75 %
    tiny["checks"] = [{**tiny["checks"][2], "accept": [50, 75]}]
    path = write(folder, tiny)
    own = ("--weights-dir", str(folder), "--anchors", str(path), "--threads", "1")
    return ("anchors", *own, "--out", str(folder / "kept"), *more)


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int) -> list[int]:
    """Ctrl-C comes when so many pieces are stored; the list gets their sizes.

    Of pieces that are finished when the main thread looks, any is stored first.
    """
    put, stored = Kept.put, list[int]()

    def stop(*args: Any) -> Tally:
        tally = put(*args)
        stored.append(len(args[3]))
        if len(stored) == after:
            raise KeyboardInterrupt
        return tally

    monkeypatch.setattr(Kept, "put", stop)
    return stored


@pytest.mark.usefixtures("pieces_of_8")
def test_a_full_check_that_is_stopped_goes_on(
    bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = bench(*full(folder, "--full", "--out", str(folder / "other"), "--csv", "once.csv"))
    assert once[0] == 0, once[1]
    with monkeypatch.context() as patch:
        stored = interrupted(patch, 2)
        bench(*full(folder, "--full"))
    # without --full nothing is computed, and what is there is shown
    waiting = {**entry(folder)["checks"][2], "accept": [50, 75], "samples": 0}
    path = write(folder, entry(folder, checks=[waiting]))
    looks = ("--weights-dir", str(folder), "--anchors", str(path), "--out", str(folder / "kept"))
    code, text = bench("anchors", *looks)
    assert code == 0 and "0 pass, 0 fail, 1 open, 0 skipped" in text
    assert f"{sum(stored)} of 20 so far" in text
    seen: list[int] = []
    put = Kept.put

    def count(kept: Kept, *args: Any) -> Tally:
        seen.append(len(args[2]))
        return put(kept, *args)

    monkeypatch.setattr(Kept, "put", count)
    code, text = bench(*full(folder, "--full", "--csv", "marks.csv"))
    assert code == 0 and sorted([*stored, *seen]) == [4, 8, 8], text
    assert Path("marks.csv").read_bytes() == Path("once.csv").read_bytes()
    assert rows(Path("marks.csv"))[0]["ours"] == "75"
    # the images themselves are the same, one by one
    seen.clear()
    assert bench(*full(folder, "--full"))[0] == 0 and not seen


@pytest.mark.usefixtures("pieces_of_8")
def test_ctrl_c_shows_what_is_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(folder)
    stored = interrupted(monkeypatch, 2)
    (anchor,) = load_anchors(folder / "own.yaml")
    kept = Kept(folder / "kept")
    try:
        marks = sit(anchor, folder, how=Sitting(full=True, kept=kept))
        mark = next(marks)
        assert (mark.verdict, mark.n, mark.count) == ("open", stored[0], 20)
        with pytest.raises(KeyboardInterrupt):
            next(marks)
    finally:
        kept.close()


@pytest.mark.usefixtures("pieces_of_8")
def test_pieces_of_other_weights_are_not_used(bench, folder: Path) -> None:
    assert bench(*full(folder, "--full"))[0] == 0
    torch.manual_seed(1)
    network = networks.cnn_a((1, 28, 28))
    torch.save({"state_dict": network.state_dict()}, folder / "net.model")
    _, text = bench(*full(folder, "--full", "--csv", "marks.csv"))
    assert float(rows(Path("marks.csv"))[0]["ours"]) < 75, text


def test_a_folder_that_another_command_holds(bench, folder: Path) -> None:
    kept = Kept(folder / "kept")
    try:
        code, text = bench(*full(folder, "--full"))
    finally:
        kept.close()
    assert code == 2 and "another run holds it" in text and "Traceback" not in text


def known(of: int, accept: tuple[float | None, float | None]) -> Check:
    about = {"measure": "accuracy", "of": of, "samples": 0, "published": 90.0, "by": "x"}
    return Check(**about, accept=accept)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "right", "accept", "verdict"),
    [
        # of 1,000 images 890 to 910 may be right
        (500, 450, (89, 91), "open"),
        (500, 500, (89, 91), "open"),
        # 111 are wrong: at most 889 are right
        (500, 389, (89, 91), "fail"),
        (500, 390, (89, 91), "open"),
        # 911 are right already
        (950, 911, (89, 91), "fail"),
        (950, 910, (89, 91), "open"),
        # 890 to 910, whatever the last 20 are
        (980, 890, (89, 91), "pass"),
        (979, 889, (89, 91), "open"),
        # no lower limit: it passes when enough are wrong
        (500, 410, (None, 91), "pass"),
        (500, 411, (None, 91), "open"),
        (1000, 890, (89, 91), "pass"),
        (1000, 889, (89, 91), "fail"),
    ],
)
def test_a_part_of_the_images_decides_only_what_the_others_cannot_change(
    n: int, right: int, accept: tuple[float | None, float | None], verdict: str, folder: Path
) -> None:
    (anchor,) = load_anchors(write(folder, entry(folder)))
    mark = accuracy_mark(anchor, known(1000, accept), Tally(n, right, 0), 1000)
    assert mark.verdict == verdict
    assert mark.ours == pytest.approx(100 * right / n)
    assert right / 10 - 1e-9 <= mark.low <= mark.ours <= mark.high
    assert mark.high <= (right + 1000 - n) / 10 + 1e-9
    # one image outside the budget is enough
    bad = accuracy_mark(anchor, known(1000, accept), Tally(n, right, 1), 1000)
    assert bad.verdict == "fail" and "1 images outside" in bad.note
    assert PIECE == 125
