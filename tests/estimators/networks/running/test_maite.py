"""Models of MAITE's protocol by dotted name: recognised by form, differentiable, or refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.checks.wrapping import check_wrapped
from estimators.networks.given import guarded_network
from estimators.networks.own_labels import own_labels
from estimators.networks.running.maite import MaiteNetwork, is_model
from estimators.spec import Spec

MODELS = """
    import numpy as np
    import torch
    from torch import nn

    class Model:
        metadata = {"id": "mine", "index2label": {0: "cat", 1: "dog"}}

        def __init__(self, leaves=False):
            torch.manual_seed(1)
            self.leaves = leaves
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))

        def __call__(self, batch):
            if self.leaves:
                batch = [torch.from_numpy(np.asarray(image)) for image in batch]
            return list(self.net(torch.stack(list(batch))))

    ready = Model()

    def leaves():
        return Model(leaves=True)
"""


def test_ready_or_made(module) -> None:
    module("models", MODELS)
    x = torch.rand(5, 3, 2, 2)
    for name in ("models:ready", "models:Model"):
        trained = guarded_network(Spec(name), (3, 2, 2), 2)
        torch.manual_seed(1)
        same = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        assert torch.allclose(trained.network(x), same(x))
        assert own_labels(Spec(name), trained.network) == ("cat", "dog")
        leaf = x.clone().requires_grad_(True)
        trained.network(leaf).sum().backward()
        assert leaf.grad is not None and bool(leaf.grad.any())
    # its weights decide the hash
    other = guarded_network(Spec("models:ready"), (3, 2, 2), 2)
    next(other.network.parameters())
    assert len(list(other.network.parameters())) == 2


def test_one_that_leaves_torch_is_told(module) -> None:
    module("models", MODELS)
    network = guarded_network(Spec("models:leaves"), (3, 2, 2), 2).network
    assert network(torch.rand(4, 3, 2, 2)).shape == (4, 2)
    y = torch.arange(20).numpy() % 2
    images = Images(torch.rand(20, 3, 2, 2).numpy(), y, torch.arange(20).numpy(), ("cat", "dog"))
    with pytest.raises(InputError, match=r"leaves torch \(numpy\).*name the torch module"):
        check_wrapped(network, images, "models:leaves")


def test_the_form() -> None:
    class Both(nn.Module):
        metadata = {"id": "a module with metadata is called with a tensor"}

    class Own(Both):
        def __call__(self, batch):  # type: ignore[no-untyped-def]
            return batch

    assert not is_model(Both())
    assert is_model(Own())
    assert not is_model(Own)
    assert not is_model(len)
    assert MaiteNetwork(Own()).labels == []
