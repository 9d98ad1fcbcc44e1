"""Clean predictions and first gradients of several tasks: computed once, with the same outcomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.attacks.lookup import check_attack, expected_passes
from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.passes import CleanScorings, passes_of
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from estimators.data.images import Images, subset
from estimators.networks.running.kept import Kept
from estimators.spec import Spec

LENET = Spec("lenet")
DEFENCES = [Spec("none"), Spec("quantize"), Spec.of("jpeg", quality=50)]
ATTACKS = [
    Spec.of("fgsm", eps=0.0),
    Spec.of("fgsm", eps=0.1),
    Spec.of("fgm", eps=1.0),
    Spec.of("fgm", eps=1.0, targeted=True),
    Spec.of("pgd", eps=0.1, max_iter=3),
    Spec.of("pgd", eps=0.2, max_iter=3),
    Spec.of("pgd", eps=1.0, max_iter=2, norm=2),
    Spec.of("apgd", eps=0.1, max_iter=4),
]


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count images that pass the networks of all classifiers, with a gradient and without."""
    count: Counter[str] = Counter()

    def note(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        count["gradients" if torch.is_grad_enabled() else "forwards"] += len(inputs[0])

    original = ClassifierCache._wrapped

    def wrapped(self: ClassifierCache, *args: object, **kwargs: object):
        known = len(self._classifiers)
        classifier = original(self, *args, **kwargs)
        if len(self._classifiers) > known and len(self._classifiers) == 1:
            # a network may be its own scorer
            for module in {classifier.network, classifier.scorer}:
                module.register_forward_pre_hook(note)
        return classifier

    monkeypatch.setattr(ClassifierCache, "_wrapped", wrapped)
    return count


def cells(images: Images, threats: tuple[str, ...] = ("oblivious", "adaptive")) -> list[Cell]:
    return [
        Cell("digits", LENET, check_attack(attack), threat, defence, len(images), 0)
        for attack in ATTACKS
        for threat in threats
        for defence in DEFENCES
    ]


def computed(
    asked: list[Cell], images: Images, network: nn.Module, shared: bool
) -> dict[Cell, Outcome]:
    trained = {("digits", LENET): TrainedNetwork(network, images.shape, 10)}
    cache, found = ClassifierCache(trained), {}
    for task in plan(asked):
        cache = cache if shared else ClassifierCache(trained)
        found |= run_chunk(task, images, cache)
    return found


def assert_equal(one: dict[Cell, Outcome], other: dict[Cell, Outcome]) -> None:
    assert one.keys() == other.keys()
    for cell, outcome in one.items():
        for name in (field.name for field in fields(outcome)):
            assert np.array_equal(getattr(outcome, name), getattr(other[cell], name)), (cell, name)


def test_outcomes_are_those_of_tasks_that_share_nothing(digits: Images, digits_lenet) -> None:
    images = subset(digits, 20, 0)
    asked = cells(images)
    apart = computed(asked, images, digits_lenet, shared=False)
    assert_equal(computed(asked, images, digits_lenet, shared=True), apart)
    # in another order other tasks are the first
    assert_equal(computed(asked[::-1], images, digits_lenet, shared=True), apart)


def test_passes_of_a_bare_network(digits: Images, digits_lenet, passed: Counter[str]) -> None:
    """Three defences: six tasks of one view need the clean predictions, five the gradient."""
    images = subset(digits, 20, 0)
    asked = [c for c in cells(images, ("oblivious",)) if c.attack.name != "apgd"]
    computed(asked, images, digits_lenet, shared=True)
    attacked = 6  # eps 0 moves nothing
    assert passed["forwards"] == len(images) * len(DEFENCES) * (1 + attacked)
    # FGSM, FGM and PGD begin with one gradient, the targets' is another; later steps; their faults
    assert passed["gradients"] == len(images) * (1 + 1 + (2 + 2 + 1) + 1)


def test_the_expected_scorings_are_those_that_are_done(digits: Images) -> None:
    """Each attack and eps behind each defence, however many threats share it; clean ones once."""
    threats = ("oblivious", "adaptive")
    tasks = plan(cells(subset(digits, 20, 0), threats))
    clean: CleanScorings = {}
    expected = sum(passes_of(task, 10, clean) for task in tasks)
    attacks = sum(expected_passes(task.attacks[0], 10) * task.view.draws for task in tasks)
    behind, bare = len(DEFENCES) - 1, 1
    # without a defence both threats are one task
    assert expected - attacks == len(ATTACKS) * (len(threats) * behind + bare) + len(DEFENCES)
    assert sum(clean.values()) == len(DEFENCES)


def test_other_images_are_not_taken_for_those_kept(digits: Images, digits_lenet) -> None:
    images = subset(digits, 20, 0)
    shuffled = images[np.arange(20)[::-1].copy()]
    trained = {("digits", LENET): TrainedNetwork(digits_lenet, images.shape, 10)}
    (task,) = plan([c for c in cells(images) if c.attack == check_attack(ATTACKS[1])][:1])
    cache = ClassifierCache(trained)
    (first,), (second,) = (run_chunk(task, part, cache).values() for part in (images, shuffled))
    assert np.array_equal(first.clean[::-1], second.clean)
    assert np.array_equal(first.l2[::-1], second.l2)


def test_no_memory_is_no_fault(digits: Images, digits_lenet) -> None:
    images = subset(digits, 10, 0)
    trained = {("digits", LENET): TrainedNetwork(digits_lenet, images.shape, 10)}
    cache = ClassifierCache(trained, kept=Kept(limit=0))
    found = {
        c: o for task in plan(cells(images)) for c, o in run_chunk(task, images, cache).items()
    }
    assert_equal(found, computed(cells(images), images, digits_lenet, shared=True))


def test_tasks_of_one_view_follow_each_other(digits: Images) -> None:
    views = [task.view for task in plan(cells(digits))]
    assert len(dict.fromkeys(views)) == 3
    assert sum(before != after for before, after in pairwise(views)) == 2
