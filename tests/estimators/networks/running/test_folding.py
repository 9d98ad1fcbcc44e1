"""Batch norms are folded where a trace and images prove it, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import odd_networks
import pytest
import torch
from odd_networks import FOLDABLE, SHAPE, UNFOLDABLE
from torch import nn

from estimators.classifier import Classifier
from estimators.networks.build import build_network
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.networks.running.folding import foldable, folded
from estimators.spec import Spec


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def images(n: int = 32) -> torch.Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1))


def attacked(network: nn.Module, x: torch.Tensor, eps: float = 0.1) -> torch.Tensor:
    """FGSM on the network itself."""
    leaf = x.clone().requires_grad_(True)
    out = network(leaf)
    loss = nn.functional.cross_entropy(out, out.argmax(1), reduction="sum")
    return (x + eps * torch.autograd.grad(loss, leaf)[0].sign()).clamp(0, 1)


@pytest.mark.parametrize("name", UNFOLDABLE)
def test_what_only_looks_like_a_pair_is_not_folded(name: str) -> None:
    network = UNFOLDABLE[name]()
    classifier = Classifier(network, SHAPE, 10)
    clean = images()
    for x in (clean, attacked(network, clean)):
        with torch.no_grad():
            expected = network(x)
        assert torch.allclose(classifier.logits(x), expected, rtol=0, atol=1e-4), name
        assert torch.equal(classifier.logits(x).argmax(1), expected.argmax(1)), name
    pairs = {conv.rpartition(".")[2] for conv, _ in foldable(network, clean)}
    assert "0" not in pairs


@pytest.mark.parametrize("name", FOLDABLE)
def test_a_pair_is_folded_wherever_it_stands(name: str) -> None:
    network = FOLDABLE[name]()
    classifier = Classifier(network, SHAPE, 10)
    assert norms(network) - norms(classifier.scorer) == norms(network)
    assert norms(classifier.network) == norms(network)
    clean = images()
    for x in (clean, attacked(network, clean)):
        with torch.no_grad():
            expected = network(x)
        assert torch.allclose(classifier.logits(x), expected, rtol=0, atol=1e-4)


def test_the_networks_of_this_project() -> None:
    resnet = build_network(Spec("resnet"), SHAPE, 10).eval()
    assert len(foldable(resnet, images())) == 5
    wrapped = build_network(Spec.of("resnet", mean=0.2, std=0.5), SHAPE, 10).eval()
    assert len(foldable(wrapped, images())) == 5
    # the CNN's batch norms follow an activation: nothing to fold
    cnn = build_network(Spec("cnn"), (3, 32, 32), 10).eval()
    assert foldable(cnn, torch.rand(4, 3, 32, 32)) == ()
    assert folded(cnn, ()) is cnn


def test_a_fold_that_rounds_too_much_is_left_out() -> None:
    """The scale of a norm with a tiny variance makes the rounding of its weights visible."""
    network = odd_networks.plain()
    assert len(foldable(network, images())) == 2
    network[0].weight.data *= 1e-6
    network[1].running_var.fill_(1e-12)
    network[1].eps = 1e-14
    network[1].running_mean.copy_(network[0](images()).mean((0, 2, 3)).detach() + 1e-2)
    network[1].bias.data.copy_(1e-2 / network[1].running_var.sqrt() * network[1].weight)
    assert foldable(network, images()) == ()


def test_hooks_of_all_modules_forbid_it() -> None:
    network = odd_networks.plain()
    handle = nn.modules.module.register_module_forward_hook(lambda m, i, o: None)
    try:
        assert foldable(network, images()) == ()
    finally:
        handle.remove()
    assert len(foldable(network, images())) == 2


@pytest.mark.parametrize("make", [odd_networks.plain, lambda: UNFOLDABLE["output used twice"]()])
def test_the_network_stays_as_it_was(make: Callable[[], nn.Module]) -> None:
    """A trace runs on a copy, and leaves no patch of torch.fx behind."""
    network = make().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    call = nn.Module.__call__
    foldable(network, images())
    assert nn.Module.__call__ is call
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_classifiers_of_threads_do_not_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.fx patches the modules of the whole process: workers get the pairs instead."""
    from benchmark.execution.chunk import ClassifierCache
    from benchmark.execution.executor import TrainedNetwork
    from estimators.networks.running import folding

    network = odd_networks.plain()
    passes = CheaperPasses.of(network, images())
    monkeypatch.setattr(folding, "_pairs", lambda root: pytest.fail("traced"))
    cache = ClassifierCache({("d", Spec("n")): TrainedNetwork(network, SHAPE, 10, passes)})
    made = []
    thread = threading.Thread(
        target=lambda: made.append(cache.classifier("d", Spec("n"), Spec("none")))
    )
    thread.start()
    thread.join()
    assert norms(made[0].scorer) == 0
