"""Small networks of the kinds that a harness gets wrong; each for grey images of 28x28.

Every factory is usable by name, as `odd_networks:conv_hook`. Weights and statistics are drawn from
one seed, so that a batch norm changes what the convolution before it gives.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

SHAPE = (1, 28, 28)


def plain(**conv: object) -> nn.Sequential:
    """Convolution and batch norm twice, then a dense layer."""
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, 2, 1, **conv),  # type: ignore[arg-type]
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, 2, 1, **conv),  # type: ignore[arg-type]
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 49, 10),
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.2, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        # as sure as a trained network is
        network[-1].weight *= 20
    return network.eval()


class Around(nn.Module):
    """`plain` inside a forward of its own."""

    def __init__(self, forward: Callable[[nn.Sequential, Tensor], Tensor], **conv: object) -> None:
        super().__init__()
        self.layers = plain(**conv)
        self.how = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self.layers, x)


def centred(network: nn.Module) -> nn.Module:
    """Move the logits of pictures to a mean of 0, so that several classes are predicted."""
    coarse = torch.rand(64, 1, 7, 7, generator=torch.Generator().manual_seed(4))
    x = functional.interpolate(coarse, size=(28, 28), mode="bilinear")
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.bias -= network(x).mean(0)
    return network


def around(forward: Callable[[nn.Sequential, Tensor], Tensor], **conv: object) -> nn.Module:
    return Around(forward, **conv).eval()


class Standardised(nn.Conv2d):
    """A subclass with a forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight / weight.std() * 0.4, self.bias)


class Bent(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.7 * torch.tanh(x)


class Skipping(nn.Sequential):
    """A subclass of nn.Sequential that leaves its batch norms out."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            if not isinstance(layer, nn.BatchNorm2d):
                x = layer(x)
        return x


class Listed(nn.Module):
    """Convolutions and norms in a ModuleList."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(plain())

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def _with(position: int, change: Callable[[nn.Module], nn.Module | None]) -> nn.Sequential:
    network = plain()
    network[position] = change(network[position]) or network[position]
    return network.eval()


def _as_class(kind: type[nn.Module]) -> Callable[[nn.Module], None]:
    def change(layer: nn.Module) -> None:
        layer.__class__ = kind

    return change


def _shared() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        return layers(x) + layers[3:](layers[0](x).relu())

    return around(forward)


def _shared_weight() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        return layers(x) + 3 * layers[0].weight.mean()

    return around(forward)


def _without(**norm: bool) -> nn.Module:
    network = plain()
    network[1] = nn.BatchNorm2d(6, **norm)
    return network.eval()


def _training_norm() -> nn.Module:
    network = plain()
    network[1].train()
    network[1].train = lambda mode=True: network[1]  # type: ignore[method-assign]
    return network.eval()


def _relu_hook() -> nn.Module:
    """A hook behind the norm that reads the convolution's output from elsewhere."""
    network = plain()
    kept: list[Tensor] = []
    network[0].register_forward_hook(lambda m, i, o: kept.append(o) or None)
    network[2].register_forward_hook(lambda m, i, o: o + 0.5 * kept.pop())
    return network


def _root_hook() -> nn.Module:
    network = plain()
    network.register_forward_pre_hook(lambda m, i: (1 - i[0],))
    return network


def _replaced_forward() -> nn.Module:
    network = plain()
    original = network[0].forward
    network[0].forward = lambda x: original(x) * 1.5 + 0.2  # type: ignore[method-assign]
    return network


def _decides() -> nn.Module:
    return around(lambda layers, x: layers(x if float(x.mean()) > 0.2 else 1 - x))


def _bias_missing() -> nn.Module:
    """A decision by an attribute, which a trace does not show."""

    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        x = layers[1](layers[0](x))
        return layers[2:](x if layers[0].bias is None else x + 1)

    return around(forward, bias=False)


def _between() -> nn.Module:
    return around(lambda n, x: n[5:](n[4](n[3](n[2](n[1](functional.relu(n[0](x))))))))


# networks whose first convolution and norm must not become one
UNFOLDABLE: dict[str, Callable[[], nn.Module]] = {
    "subclass of the convolution": lambda: _with(0, _as_class(Standardised)),
    "subclass of the norm": lambda: _with(1, _as_class(Bent)),
    "output used twice": lambda: around(lambda n, x: n[2:](n[1](n[0](x)) + 0.5 * n[0](x))),
    "inner output": lambda: around(lambda n, x: n[2:]((lambda a: n[1](a) + 0.5 * a)(n[0](x)))),
    "convolution called twice": _shared,
    "weight read elsewhere": _shared_weight,
    "forward hook": lambda: conv_hook(),
    "hook of a later layer": _relu_hook,
    "pre-hook": lambda: _pre_hook(),
    "replaced forward": _replaced_forward,
    "Sequential with its own forward": lambda: _skipping(),
    "function between": _between,
    "statistics of the batch": lambda: _without(track_running_stats=False),
    "norm in training mode": _training_norm,
    "pruned": lambda: pruned(),
    "weight norm": lambda: weight_norm(),
    "weight norm of old": lambda: old_weight_norm(),
    "spectral norm": lambda: spectral_norm(),
    "decision by value": _decides,
    "decision by attribute": _bias_missing,
}
# networks that lose both batch norms
FOLDABLE: dict[str, Callable[[], nn.Module]] = {
    "neighbours": plain,
    "without bias": lambda: plain(bias=False),
    "reflected borders": lambda: plain(padding_mode="reflect"),
    "norm without weights": lambda: _without(affine=False),
    "called in a forward": lambda: around(lambda layers, x: layers(x)),
    "sliced": lambda: around(lambda n, x: n[4:](n[3](n[:3](x)))),
    "in a ModuleList": lambda: Listed().eval(),
    "nested": lambda: nn.Sequential(nn.Sequential(*plain()[:4]), plain()[4:]).eval(),
    "hook on the root": _root_hook,
}


def _skipping() -> nn.Module:
    return Skipping(*plain()).eval()


def _pre_hook() -> nn.Module:
    network = plain()
    network[1].register_forward_pre_hook(lambda m, i: (i[0] * 2 + 0.3,))
    return network


def conv_hook() -> nn.Module:
    network = plain()
    network[0].register_forward_hook(lambda m, i, o: o * 1.5 + 0.1)
    return network


def subclass_conv() -> nn.Module:
    return centred(UNFOLDABLE["subclass of the convolution"]())


def inner_output() -> nn.Module:
    return UNFOLDABLE["inner output"]()


def pruned() -> nn.Module:
    network = plain()
    for at in (0, 3):
        prune.l1_unstructured(network[at], "weight", amount=0.3)
    return network


def weight_norm() -> nn.Module:
    network = plain()
    for at in (0, 3):
        network[at] = parametrizations.weight_norm(network[at])
    return network


def old_weight_norm() -> nn.Module:
    import warnings

    network = plain()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for at in (0, 3):
            nn.utils.weight_norm(network[at])
    return network


def spectral_norm() -> nn.Module:
    network = plain()
    for at in (0, 3):
        network[at] = parametrizations.spectral_norm(network[at])
    return network.eval()


def in_place() -> nn.Module:
    """Changes its input: as `in_place_copied`."""
    return around(lambda layers, x: layers(x.sub_(0.1).clamp_(0, 1)))


def in_place_copied() -> nn.Module:
    return around(lambda layers, x: layers((x - 0.1).clamp(0, 1)))


def in_place_view() -> nn.Module:
    """Changes its input through a view and, behind torch's back, through NumPy."""

    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        x[:, :, :14].mul_(0.5)
        x.detach().numpy()[:, :, 14:] *= 0.5
        return layers(x)

    return centred(around(forward))


def in_place_view_copied() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        half = torch.ones(28, 1)
        half[:14] = 0.5
        lower = torch.ones(28, 1)
        lower[14:] = 0.5
        seen = x * half
        return layers(seen + (seen * lower - seen).detach())

    return centred(around(forward))


def view_behind_conv() -> nn.Module:
    return around(lambda n, x: n[7](n[:6](x).view(-1, 8 * 49)))


def strided() -> nn.Module:
    """Reads its features in the order of the memory: another number, and no error."""
    return around(lambda n, x: n[7](n[:6](x).as_strided((len(x), 8 * 49), (8 * 49, 1))))


def half_output() -> nn.Module:
    return around(lambda layers, x: layers(x).half())


def int_output() -> nn.Module:
    return around(lambda layers, x: (1000 * layers(x)).int())


def raises_for_some() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        if (x[:, :, 0, 0] > 0.9).any():
            raise RuntimeError("too bright")
        return layers(x)

    return around(forward)


def raises_once() -> nn.Module:
    left = [1]

    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        if left:
            left.pop()
            raise RuntimeError("not yet")
        return layers(x)

    return around(forward)


def recurses() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        return forward(layers, x)

    return around(forward)


def exits() -> nn.Module:
    return around(lambda layers, x: sys.exit(0))


def interrupts() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        raise KeyboardInterrupt

    return around(forward)


def raises() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        raise ValueError("no such mode")

    return around(forward)


class _NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        sys.exit(0)


def raises_backwards() -> nn.Module:
    return around(lambda layers, x: layers(_NoWayBack.apply(x)))


def wants_colour() -> nn.Module:
    """Ends the program for grey images alone."""

    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        if x.shape[1] != 3:
            sys.exit("three channels, please")
        return layers(x.mean(1, keepdim=True))

    return around(forward)


def interrupts_for_many() -> nn.Module:
    """Not for the few images of the guard, but for those of the checks."""

    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        if len(x) > 2:
            raise KeyboardInterrupt
        return layers(x)

    return around(forward)


def prints() -> nn.Module:
    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        print("features:", len(x))
        sys.stderr.write("more\n")
        return layers(x)

    return around(forward)


def remembers() -> nn.Module:
    """Keeps what it computed in its first call, and differentiates with it in the next."""
    kept: dict[str, Tensor] = {}

    def forward(layers: nn.Sequential, x: Tensor) -> Tensor:
        if "scale" not in kept:
            kept["scale"] = layers[0].weight.detach().mean() + torch.ones(1)
        return layers(x) * kept["scale"]

    return around(forward)
