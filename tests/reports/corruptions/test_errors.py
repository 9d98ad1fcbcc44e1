"""Errors by kind and their mean, on made-up tables of which the answer is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.corruptions.alexnet import ALEXNET
from reports.corruptions.errors import (
    COLUMNS,
    corruption_errors,
    kind_of,
    read_corruptions,
    write_corruptions,
)
from reports.corruptions.sentences import summary_lines
from reports.errors import TableError
from reports.plots.plots import draw_all
from reports.results.columns import COLUMNS as RESULTS_COLUMNS
from reports.results.columns import frame
from reports.results.operating_point import operating_points
from reports.results.predictions import Predictions
from reports.results.read_write import write_results
from reports.style.labels import NO_LABELS
from reports.worst_case.evidence import gather

N = 100


def row(kind: str, severity: int, wrong: int, **more: Any) -> dict[str, Any]:
    """One cell: so many of 100 images are wrong under a corruption, 5 without."""
    numbers = {"n": N, "clean_correct": 95, "clean_accuracy": 0.95, "correct": N - wrong}
    about = {"dataset": "digits", "network": "lenet", "threat": "oblivious", "defence": "none"}
    about |= {"attack": f"corruption:{kind}[severity={severity}]", "norm": "none"}
    params = json.dumps({"severity": severity})
    cell = hashlib.sha256(repr((kind, severity, more)).encode()).hexdigest()[:16]
    rest = {"samples": str(N), "seed": 0, "status": "ok", "accuracy": 1 - wrong / N}
    rest |= {"attack_params": params, "cell": cell, "gradients": 0.0, "forwards": 0.0}
    rest |= {
        "schema": 1,
        "accuracy_low": 0.0,
        "accuracy_high": 1.0,
        "success_rate": 0.5,
        "over_budget": 0,
    }
    return {**dict.fromkeys(RESULTS_COLUMNS), **about, **numbers, **rest, **more}


def five(kind: str, wrong: list[int], **more: Any) -> list[dict[str, Any]]:
    return [row(kind, n, count, **more) for n, count in enumerate(wrong, start=1)]


def errors(rows: list[dict[str, Any]], reference: str = "") -> pd.DataFrame:
    table = corruption_errors(gather(frame(rows)), reference)
    assert list(table.columns) == list(COLUMNS)
    return table.set_index(["network", "defence", "kind"]).sort_index()


def test_errors_are_means_over_severities_then_kinds() -> None:
    found = errors([*five("fog", [10, 20, 30, 40, 50]), *five("snow", [0, 0, 10, 20, 20])])
    lenet = found.loc["lenet", "none"]
    assert lenet.loc["fog", "error"] == pytest.approx(0.30)
    assert lenet.loc["snow", "error"] == pytest.approx(0.10)
    assert lenet.loc["mean", "error"] == pytest.approx(0.20)
    assert lenet.loc["mean", "kinds"] == 2 and lenet.loc["fog", "kinds"] == 1
    assert lenet.loc["fog", "clean_error"] == pytest.approx(0.05)
    assert lenet.loc["fog", "severities"] == "1 2 3 4 5"
    # without predictions no interval
    assert lenet["low"].isna().all() and lenet["relative"].isna().all()


def test_only_the_fifteen_kinds_with_all_severities_count() -> None:
    found = errors([
        *five("fog", [10] * 5), *five("spatter", [90] * 5), *five("snow", [50] * 5)[:4],
    ])  # fmt: skip
    lenet = found.loc["lenet", "none"]
    assert lenet.loc["mean", "error"] == pytest.approx(0.10)
    assert lenet.loc["snow", "severities"] == "1 2 3 4"
    assert lenet.loc["spatter", "error"] == pytest.approx(0.90)
    assert "mean" not in errors(five("spatter", [1] * 5)).loc["lenet", "none"].index


def test_threats_count_once_and_other_attacks_not_at_all() -> None:
    fog = five("fog", [10, 20, 30, 40, 50])
    again = [{**own, "threat": "adaptive", "cell": f"b{own['cell'][1:]}"} for own in fog]
    fgsm = {**fog[0], "attack": "fgsm", "norm": "inf", "eps": 0.1, "cell": "f" * 16}
    found = errors([*fog, *again, fgsm])
    assert set(found.index.get_level_values("kind")) == {"fog", "mean"} and len(found) == 2
    assert kind_of("fgsm") == "" and kind_of("corruption:fog[severity=2]") == "fog"
    assert errors([fgsm]).empty


def test_errors_relative_to_a_network_of_the_run() -> None:
    rows = [
        *five("fog", [10, 20, 30, 40, 50]), *five("snow", [5] * 5),
        *five("fog", [60] * 5, network="cnn"), *five("snow", [50] * 5, network="cnn"),
        *five("fog", [15] * 5, defence="jpeg", quality=50),
    ]  # fmt: skip
    found = errors(rows, "cnn")
    lenet = found.loc["lenet", "none"]["relative"]
    assert lenet["fog"] == pytest.approx(0.5) and lenet["snow"] == pytest.approx(0.1)
    # the mean of the ratios, not the ratio of the means
    assert lenet["mean"] == pytest.approx(0.3)
    # behind a defence against the bare reference
    assert found.loc["lenet", "jpeg"]["relative"]["fog"] == pytest.approx(0.25)
    assert (found.loc["cnn", "none"]["relative"] == 1).all()
    assert (found["reference"] == "cnn").all()
    with pytest.raises(TableError, match=r"reference vgg: .* known: lenet, cnn, alexnet"):
        errors(rows, "vgg")


def test_errors_relative_to_alexnet() -> None:
    every = [own for kind in ALEXNET for own in five(kind, [40] * 5)]
    found = errors([*every, *five("spatter", [40] * 5)], "alexnet").loc["lenet", "none"]
    assert found["relative"]["fog"] == pytest.approx(0.4 / 0.819324)
    mean = np.mean([0.4 / error for error in ALEXNET.values()])
    assert found["relative"]["mean"] == pytest.approx(mean)
    assert np.isnan(found["relative"]["spatter"])
    assert found["kinds"]["mean"] == len(ALEXNET) == 15
    # the sum of AlexNet's errors by the paper's Table 1, to its digits
    assert 100 * np.mean(list(ALEXNET.values())) == pytest.approx(78.9, abs=0.5)


def test_a_reference_without_errors_gives_no_ratio() -> None:
    rows = [*five("fog", [10] * 5), *five("fog", [0] * 5, network="cnn")]
    assert errors(rows, "cnn")["relative"].isna().all()


def test_intervals_are_over_images(tmp_path: Path) -> None:
    """Half of the images are wrong under everything: the interval is that of 100 images."""
    rows = frame([*five("fog", [50] * 5), *five("snow", [50] * 5)])
    keys = list(rows["cell"])
    label, wrong = np.zeros(N, int), (np.arange(N) < 50).astype(int)
    arrays = {name: np.tile(label, len(keys)) for name in ("label", "clean")}
    arrays["clean"] = np.tile((np.arange(N) < 5).astype(int), len(keys))
    arrays |= {"id": np.tile(np.arange(N), len(keys)), "adversarial": np.tile(wrong, len(keys))}
    spans = {key: slice(n * N, (n + 1) * N) for n, key in enumerate(keys)}
    table = corruption_errors(gather(rows, Predictions(tmp_path, spans, arrays)))
    mean = table.set_index("kind").loc["mean"]
    half = 1.96 * np.sqrt(0.25 / N)
    assert mean["low"] == pytest.approx(0.5 - half, abs=0.02)
    assert mean["high"] == pytest.approx(0.5 + half, abs=0.02)


def test_files_are_written_read_and_removed(tmp_path: Path) -> None:
    write_results(frame(five("fog", [10, 20, 30, 40, 50])), tmp_path / "results.csv")
    written = write_corruptions(tmp_path)
    found = read_corruptions(tmp_path)
    assert written is not None and found is not None
    pd.testing.assert_frame_equal(found, written, check_dtype=False)
    (line,) = summary_lines(found, NO_LABELS)
    assert line == (
        "mean corruption error of lenet on digits: 30.0 %, 1 of 15 kinds; worst fog, 30.0 %;"
        " clean error 5.0 %"
    )
    write_corruptions(tmp_path, "alexnet")
    (line,) = summary_lines(read_corruptions(tmp_path), NO_LABELS)
    assert f"relative to alexnet {100 * 0.3 / ALEXNET['fog']:.1f} %" in line
    other = frame([row("fog", 1, 10, attack="fgsm", norm="inf", eps=0.1)])
    write_results(other, tmp_path / "results.csv")
    assert write_corruptions(tmp_path) is None
    assert read_corruptions(tmp_path) is None
    with pytest.raises(TableError, match="has no corruptions"):
        write_corruptions(tmp_path, "lenet")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "corruptions.csv"
    path.write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(TableError, match="lacks the columns"):
        read_corruptions(tmp_path)
    head = ",".join(COLUMNS)
    path.write_text(f"{head}\n{','.join(['x'] * len(COLUMNS))}\n", encoding="utf-8")
    with pytest.raises(TableError, match="bench report"):
        read_corruptions(tmp_path)


def test_without_a_mean_the_sentence_says_so() -> None:
    (line,) = summary_lines(corruption_errors(gather(frame([row("fog", 2, 10)]))), NO_LABELS)
    assert "no kind has all five severities" in line


def test_corruptions_have_no_operating_point_but_a_figure(tmp_path: Path) -> None:
    table = frame([*five("fog", [10, 20, 30, 40, 50]), *five("snow", [0] * 5, network="cnn")])
    assert operating_points(table).empty
    assert [path.name for path in draw_all(table, tmp_path)] == ["corruptions-digits.png"]
    # a line needs two severities of one kind
    once = draw_all(frame([row("fog", 1, 1), row("snow", 2, 1)]), tmp_path / "one")
    assert [path.name for path in once] == ["bars-digits.png"]
