"""bfloat16 or float32: chosen by a trial, kept, and written down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from estimators.networks.registry import NETWORKS
from estimators.spec import Spec
from estimators.training import precision, train_or_load
from estimators.training.checkpoints import load_checkpoint
from estimators.training.precision import Trial, fitted, provenance, trial_of
from estimators.training.recipes import Recipe, recipe_for

ASKS = Recipe(1, bfloat16=True)
FAST, SLOW = Trial("a new processor", 0.6), Trial("an old processor", 9.8)


@pytest.fixture
def slowdown(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set what the trial measures; gives the list of its calls."""
    calls: list[str] = []

    def set_to(value: float) -> list[str]:
        def measured(device: str) -> float:
            calls.append(device)
            return value

        precision._trial.cache_clear()
        monkeypatch.setattr(precision, "measured_slowdown", measured)
        return calls

    yield set_to
    precision._trial.cache_clear()


def test_a_recipe_keeps_bfloat16_where_it_is_not_slow() -> None:
    assert fitted(ASKS, FAST) == ASKS
    assert fitted(ASKS, Trial("slower, but not by much", 1.4)) == ASKS
    assert fitted(ASKS, SLOW) == replace(ASKS, bfloat16=False)
    plain = Recipe(1)
    assert fitted(plain, SLOW) == fitted(plain, FAST) == plain


def test_provenance() -> None:
    assert provenance(Recipe(1), Recipe(1), None) == {"used": "float32", "recipe": "float32"}
    assert provenance(ASKS, fitted(ASKS, SLOW), SLOW) == {
        "used": "float32",
        "recipe": "bfloat16",
        "measured": "bfloat16 takes 9.8 times as long as float32 on an old processor",
    }


def test_the_trial_is_made_once_and_kept(slowdown: Any, tmp_path: Path) -> None:
    calls = slowdown(9.84)
    first = trial_of("cpu")
    assert trial_of("cpu") == first and calls == ["cpu"]
    assert torch.__version__ in first.machine
    (kept,) = (tmp_path / "cache").rglob("precision-*.json")
    assert json.loads(kept.read_text()) == {"machine": first.machine, "slowdown": 9.84}
    # another process of the same machine
    calls = slowdown(0.5)
    assert trial_of("cpu") == first and calls == ["cpu"]
    # another machine, and a file that is damaged
    kept.write_text(json.dumps({"machine": "another", "slowdown": 9.84}))
    slowdown(0.5)
    assert trial_of("cpu").slowdown == 0.5
    kept.write_text("{")
    slowdown(0.7)
    assert trial_of("cpu").slowdown == 0.7


def test_the_real_trial_measures() -> None:
    state = torch.get_rng_state()
    ratio = precision.measured_slowdown("cpu")
    assert 0.05 < ratio < 1000
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def bfloat16_lenet(monkeypatch: pytest.MonkeyPatch) -> Spec:
    """LeNet on digits whose recipe asks for bfloat16."""
    row = NETWORKS["lenet"]
    recipes = {**row.recipes, ("digits", ""): {"epochs": 1, "bfloat16": True}}
    monkeypatch.setitem(NETWORKS, "lenet", replace(row, recipes=recipes))
    return Spec("lenet")


def test_each_precision_has_its_own_checkpoint(slowdown: Any, bfloat16_lenet: Spec) -> None:
    slowdown(9.8)
    slow = train_or_load.train_or_load("digits", bfloat16_lenet, None, seed=7)
    assert slow.metadata["recipe"]["bfloat16"] is False
    assert slow.metadata["precision"]["used"] == "float32"
    assert "9.8 times" in load_checkpoint(slow.path).metadata["precision"]["measured"]
    text = ", in float32, since bfloat16 takes 9.8 times as long as float32 on "
    assert precision.other_precision(slow.metadata).startswith(text)
    again = train_or_load.train_or_load("digits", bfloat16_lenet, None, seed=7)
    assert again.reused and again.sha256 == slow.sha256
    calls = slowdown(0.6)
    for kept in slow.path.parent.glob("precision-*.json"):
        kept.unlink()
    fast = train_or_load.train_or_load("digits", bfloat16_lenet, None, seed=7)
    assert not fast.reused and fast.path != slow.path
    assert fast.metadata["recipe"] == recipe_for("digits", "lenet").as_dict
    assert fast.metadata["precision"]["used"] == "bfloat16"
    assert precision.other_precision(fast.metadata) == ""
    assert precision.other_precision({}) == ""  # older than this entry
    # what the recipe itself made is loaded without a trial, on a slow machine too
    calls.clear()
    slowdown(9.8)
    loaded = train_or_load.train_or_load("digits", bfloat16_lenet, None, seed=7)
    assert loaded.reused and loaded.sha256 == fast.sha256 and not calls


def test_shipped_weights_stay_valid_on_a_slow_machine(slowdown: Any) -> None:
    calls = slowdown(9.8)
    trained = train_or_load.trained_network("cifar10", Spec("cnn"))
    assert trained.reused and trained.metadata["recipe"]["bfloat16"] is True
    assert not calls
