"""Chunks on threads: what external code raises becomes a failure, and its writes stay its own."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import odd_networks
import pytest
import torch
from art.attacks.attack import EvasionAttack
from art.defences.preprocessor.preprocessor import Preprocessor
from torch import Tensor

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.steps import craft as crafting
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Batch, OneStep
from benchmark.execution import threads
from benchmark.execution.executor import Failure
from benchmark.execution.threads import measured_threads, timed_chunk
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.base import RandomDefence, TensorDefence
from estimators.defences.chain import Chain
from estimators.networks.running.guarded import guarded
from estimators.spec import Spec

SHAPE = (1, 28, 28)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_the_program_fails_the_chunk(error: BaseException, digits: Images) -> None:
    """In a worker thread: a plug-in raised it."""

    def compute(*_: object) -> None:
        raise error

    with ThreadPoolExecutor(1) as pool:
        result, _ = pool.submit(timed_chunk, None, digits[:1], None, compute).result()  # type: ignore[arg-type]
    assert isinstance(result, Failure)
    assert result.message.startswith(type(error).__name__)
    assert type(error).__name__ in result.trace


def test_ctrl_c_is_no_failure(digits: Images) -> None:
    def compute(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        timed_chunk(None, digits[:1], None, compute)  # type: ignore[arg-type]


def test_threads_of_a_network_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "default_threads", lambda device: 2)
    images = Images(np.ones((4, *SHAPE), np.float32), np.arange(4), np.arange(4))
    for network in (odd_networks.exits(), odd_networks.raises_for_some()):
        assert measured_threads(guarded(network, SHAPE), images, "cpu") == 2


class Writes(Preprocessor):
    """A preprocessor of ART's kind that writes into its images."""

    def __call__(self, x, y=None):  # type: ignore[no-untyped-def]
        x *= 0.5
        return x, y


class WritesTensor(TensorDefence):
    def forward_tensor(self, x: Tensor) -> Tensor:
        return x.mul_(0.5)


class WritesDraws(RandomDefence):
    def draw(self, x: Tensor, ids: object, seed: int, n: int) -> Tensor:
        return x.mul_(0.5)


@pytest.mark.parametrize(
    "defence",
    [
        Writes(),
        WritesTensor(),
        DefenceWithBackward(WritesDraws(), "surrogate"),
        Chain([Writes(), WritesTensor()]),
        DefenceWithBackward(Chain([WritesDraws(), Writes()]), "surrogate"),
    ],
    ids=["array", "tensor", "random", "chain", "random chain"],
)
def test_a_defence_that_writes_keeps_the_images(defence: Preprocessor) -> None:
    network = odd_networks.plain()
    classifier, bare = (Classifier(network, SHAPE, 10, d) for d in (defence, None))
    classifier.bind(np.arange(6), 0)
    x, y = torch.rand(6, *SHAPE), torch.arange(6)
    before = x.clone()
    share = 0.25 if "Chain" in repr(vars(defence)) or isinstance(defence, Chain) else 0.5
    assert torch.allclose(classifier.logits(classifier.defended(x)), bare.logits(share * x))
    gradient = classifier.input_gradient(x, y)
    assert torch.isfinite(gradient).all()
    classifier.predict(x.numpy())
    assert torch.equal(x, before)


class WritingAttack(EvasionAttack):  # type: ignore[misc]
    """An attack of ART's kind that works in the memory of its images and labels."""

    _estimator_requirements = ()

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(estimator=classifier)

    def generate(self, x, y=None, **kwargs):  # type: ignore[no-untyped-def]
        x[:] = 1 - x
        y[:] = 0
        return x


class WritingStep(OneStep):
    def __init__(self, classifier: Classifier) -> None:
        pass

    def direction(self, batch: Batch) -> tuple[Tensor, np.ndarray]:
        batch.x[:] = 0
        batch.ids[:] = 0
        return torch.ones(batch.x.shape), np.zeros(len(batch.x), bool)

    def step(self, x: Tensor, direction: Tensor, eps: float) -> Tensor:
        return x.add_(eps).clamp_(0, 1)


@pytest.mark.parametrize("kind", [WritingAttack, WritingStep])
def test_an_attack_that_writes_keeps_the_images(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[__name__]
    entry = AttackEntry(name="writes", build=f"{__name__}:{kind.__name__}", summary="Writes.")
    monkeypatch.setattr(crafting, "attack_entry", lambda spec: entry)
    monkeypatch.setattr(crafting, "shares_gradient", lambda spec: kind is WritingStep)
    monkeypatch.setattr(
        AttackEntry,
        "built",
        lambda self, classifier, params: getattr(module, kind.__name__)(classifier),
    )
    x = np.random.default_rng(0).random((5, *SHAPE), dtype=np.float32)
    y, ids = np.arange(5), np.arange(5)
    before = x.copy()
    classifier = Classifier(odd_networks.plain(), SHAPE, 10)
    attacks = [Spec.of("writes", eps=0.1), Spec.of("writes", eps=0.2)]
    made = {}
    for spec, crafted in craft(attacks, classifier, x, y, ids, 0):
        made[spec] = crafted.images.numpy().copy()
    for spec, images in made.items():
        eps = np.float32(spec.get("eps"))
        expected = 1 - before if kind is WritingAttack else np.clip(before + eps, 0, 1)
        assert np.allclose(images, expected, atol=1e-6)
    assert np.array_equal(x, before)
    assert np.array_equal(y, np.arange(5)) and np.array_equal(ids, np.arange(5))


def test_threads_have_no_silenced_streams_left() -> None:
    """Guarded networks on several threads leave the streams as they were."""
    network = guarded(odd_networks.prints(), SHAPE)
    stdout = sys.stdout
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: network(torch.rand(2, *SHAPE)).sum(), range(40)))
    assert sys.stdout is stdout
    assert threading.active_count() < 40
