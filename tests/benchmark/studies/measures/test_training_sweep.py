"""Measures of a sweep on a linear network whose distances are known, and its processes."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from closed_form import linear_case
from workers import halved

from benchmark.studies.measures import robustness as measures
from benchmark.studies.measures.processes import in_processes, one_torch_thread, worker_count
from benchmark.studies.measures.robustness import Probe, measure
from benchmark.studies.measures.training_sweep import (
    Training,
    swept,
    training_length,
    whole_numbers,
)
from benchmark.studies.request import StudyRequest
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.weight_files import weights_hash
from estimators.spec import Spec
from estimators.training import train as training
from estimators.training.train_or_load import train_or_load

TINY = Probe(samples=40, iterated_samples=10, gap_images=60, points=7, pgd_steps=2)
LENET = Spec("lenet")


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Measure a linear network of two classes: FGSM and FGM are then exact."""

    def run(scale: float = 1.0) -> tuple[Any, dict[str, pd.DataFrame]]:
        case = linear_case(120, scale=scale, classes=2)
        images = Images(case.x, case.y, np.arange(len(case.y)), ("0", "1"))
        monkeypatch.setattr(measures, "load_images", lambda *_: images)
        monkeypatch.setitem(measures.LARGEST, "made-up", (0.16, 1.2))
        probe = replace(TINY, samples=120, iterated_samples=120, gap_images=120, points=13)
        found = measure(case.network, "made-up", replace(probe, pgd_steps=10))
        return case, {name: pd.DataFrame(rows) for name, rows in found.items()}

    return run


@pytest.mark.parametrize(
    ("attack", "norm"),
    [("fgsm", "inf"), ("fgsm-margin", "inf"), ("pgd", "inf"), ("fgm", "2"), ("pgd", "2")],
)
def test_accuracy_is_the_share_of_larger_distances(linear: Any, attack: str, norm: str) -> None:
    case, tables = linear()
    nearest = np.sort((case.linf if norm == "inf" else case.l2).min(axis=1))
    rows = tables["accuracy"]
    rows = rows[(rows["attack"] == attack) & (rows["norm"] == norm)]
    assert len(rows) == (4 if attack == "pgd" else 13)
    for eps, accuracy in zip(rows["eps"], rows["accuracy"], strict=True):
        # rounding decides where an image's distance equals eps
        low, high = np.mean(nearest > eps * 1.001), np.mean(nearest > eps * 0.999)
        assert low <= accuracy <= high
    assert rows["accuracy"].iloc[0] == 1 and rows["accuracy"].iloc[-1] == 0
    assert ((rows["accuracy"] > 0) & (rows["accuracy"] < 1)).any()


def test_median_and_area_on_known_distances(linear: Any) -> None:
    case, tables = linear()
    smallest = tables["smallest"].set_index("attack")
    for attack, distance in (("fgsm", case.linf), ("fgm", case.l2)):
        row = smallest.loc[attack]
        nearest = np.sort(distance.min(axis=1))
        assert row["median"] == pytest.approx(nearest[59], rel=0.02)
        assert row["median_low"] < row["median"] < row["median_high"]
        assert (row["n"], row["held"]) == (120, np.sum(nearest > row["eps_max"]))
    area = tables["area"].set_index(["attack", "norm"])
    mean = case.linf.min(axis=1).clip(max=0.16).mean() / 0.16
    assert area.loc[("fgsm", "inf"), "area"] == pytest.approx(mean, abs=0.01)


def test_saturated_network_only_seems_robust(linear: Any) -> None:
    _, plain = linear()
    _, tables = linear(scale=1e4)
    gap = tables["gap"].iloc[0]
    assert (gap["zero_gradient"], gap["saturated"]) == (1, 1)
    assert plain["gap"].iloc[0]["zero_gradient"] == 0
    area = tables["area"].set_index(["attack", "norm"])["area"]
    assert area["fgsm", "inf"] == pytest.approx(1)
    # the control sees through it
    honest = plain["area"].set_index(["attack", "norm"])["area"]
    assert area["fgsm-margin", "inf"] == pytest.approx(honest["fgsm-margin", "inf"], abs=1e-3)
    assert area["fgsm-margin", "inf"] < 0.7


def test_gap_of_a_known_network(linear: Any) -> None:
    case, tables = linear()
    with torch.no_grad():
        logits = case.network(torch.from_numpy(case.x))
        loss = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(case.y)))
    row = tables["gap"].iloc[0]
    assert (row["train_accuracy"], row["test_accuracy"], row["images"]) == (1, 1, 120)
    assert row["test_loss"] == pytest.approx(loss, rel=1e-4)
    assert row["parameters"] == 2 * 64 + 2


def test_rows_name_their_network() -> None:
    network = Spec.of("lenet", extra_layers=2, activation="tanh")
    training = Training("digits", network, 1, 5, (("extra_layers", 2),))
    assert training.columns == {
        "dataset": "digits",
        "network": "lenet[activation=tanh]",
        "extra_layers": 2,
        "epochs": 1,
        "seed": 5,
    }


def test_jobs_are_shared_out_to_processes_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_WORKERS", "2")
    reported: list[str] = []
    shares: list[float] = []
    jobs = in_processes([4, 6], halved, float, reported.append, share=shares.append)
    results = dict(jobs)
    assert {n: half for n, (half, _, _) in results.items()} == {0: 2, 1: 3}
    # the longest first; then the one that ends last, whichever that is
    last = [4, 6][list(results)[-1]]
    assert reported[0] == "1 of 2, 6" and set(reported[1:]) <= {"1 of 2, 6", f"2 of 2, {last}"}
    assert shares == sorted(shares) and shares[-1] <= 1
    assert os.getpid() not in {process for _, process, _ in results.values()}
    assert {threads for _, _, threads in results.values()} == {1}


def test_processes_end_with_the_job_that_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("BENCH_WORKERS", "2")
    # ended by this test, however long the others take to start
    bystander = get_context("spawn").Process(target=time.sleep, args=(86_400,))
    bystander.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(in_processes([4, 6], halved, float, interrupted))
        assert active_children() == [bystander]
    finally:
        bystander.kill()
        bystander.join()


@pytest.mark.slow
def test_processes_change_no_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, npz: Any
) -> None:
    data = f"npz:{npz()}"
    trainings = [Training(data, LENET, epochs, seed) for epochs in (1, 2) for seed in (0, 1)]
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv("BENCH_WORKERS", workers)
        monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / workers))
        told: list[str] = []
        found.append(swept(trainings, TINY, told.append))
        # with several processes the oldest one that runs is named, again and again
        named = {line.partition(", ")[2] for line in told}
        assert named <= {str(training) for training in trainings}
        places = [int(line.partition(" of 4, ")[0]) for line in told]
        assert places == sorted(places) and set(places) <= {1, 2, 3, 4}
        assert len(named) == 4 or workers == "2"
    alone, shared = found
    assert list(alone) == list(shared) == ["accuracy", "area", "smallest", "gap"]
    for name, table in alone.items():
        pd.testing.assert_frame_equal(table, shared[name], check_exact=True)


@pytest.mark.slow
def test_ctrl_c_waits_for_no_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_WORKERS", "2")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path))

    def stopped(text: str) -> None:
        if text.startswith("2 of 2, "):
            raise KeyboardInterrupt

    trainings = [Training("digits", LENET, epochs, 0) for epochs in (1, 100_000)]
    with pytest.raises(KeyboardInterrupt):
        swept(trainings, TINY, stopped)
    # the short one has ended; the long one was given up, not waited for
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_one_thread_for_a_while() -> None:
    before = torch.get_num_threads()
    with one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("value", ["0", "-1", "two", ""])
def test_bad_number_of_processes(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BENCH_WORKERS", value)
    with pytest.raises(InputError, match="BENCH_WORKERS"):
        worker_count()


def test_processes_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_WORKERS", raising=False)
    assert worker_count() >= 1
    monkeypatch.setenv("BENCH_WORKERS", "3")
    assert worker_count() == 3


@pytest.mark.parametrize(("name", "value"), [("epochs", (0, 1)), ("seeds", 0)])
def test_bad_numbers(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name}: must be at least 1, got 0"):
        whole_numbers(StudyRequest((), {name: value}), name, 1)


def test_numbers_in_order_and_once() -> None:
    assert whole_numbers(StudyRequest((), {"epochs": (3, 1, 3), "seeds": 1}), "epochs", 1) == (1, 3)


@pytest.mark.parametrize("name", ["samples", "iterated_samples", "gap_images", "pgd_steps"])
def test_bad_probe(name: str) -> None:
    sizes = {
        "samples": 1,
        "iterated_samples": 1,
        "gap_images": 1,
        "points": 7,
        "pgd_steps": 1,
        name: 0,
    }
    with pytest.raises(InputError, match=f"{name}: must be at least 1"):
        Probe.of(StudyRequest((), sizes))
    with pytest.raises(InputError, match="points: must be at least 7"):
        Probe.of(StudyRequest((), {**sizes, name: 1, "points": 6}))


def test_an_attack_of_eps_0_makes_no_steps(linear: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def attacked(classifier: Any, images: Any, attacks: Any) -> Any:
        asked.extend(attacks)
        return original(classifier, images, attacks)

    original = vars(measures)["attacked"]
    monkeypatch.setattr(measures, "attacked", attacked)
    _, tables = linear()
    assert asked and all(attack.kwargs["eps"] > 0 for attack in asked)
    rows = tables["accuracy"]
    assert (rows[rows["eps"] == 0]["accuracy"] == 1).all()


def test_longer_trainings_are_known() -> None:
    def length(network: Spec, epochs: int = 10) -> float:
        return training_length(Training("mnist", network, epochs, 0))

    lengths = [length(LENET, 1), length(LENET), length(Spec.of("lenet", extra_layers=4))]
    lengths += [length(Spec.of("lenet", extra_layers=20)), length(Spec("resnet"))]
    assert lengths == sorted(set(lengths))


def test_a_sweep_measures_the_last_epoch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    evaluate = training.evaluate

    def counted(*arguments: Any) -> tuple[float, float]:
        calls.append(arguments)
        return evaluate(*arguments)

    monkeypatch.setattr(training, "evaluate", counted)
    network = Training("digits", LENET, 3, 5).run(None, "cpu")
    assert len(calls) == 1
    again = train_or_load("digits", LENET, 3, 5, force=True)
    assert again.reused and again.sha256 == weights_hash(network)
