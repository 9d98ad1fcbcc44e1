"""Each fault of a wrapped network: one network that has it, and the shipped one that has not."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.advice.pixels import USUAL
from estimators.networks.checks.misleading import misleading
from estimators.networks.checks.wrapping import (
    CHECKS,
    check_fit,
    check_wrapped,
    finite,
    gradients,
    one_by_one,
    pixels,
    probe,
    repeatable,
    still_training,
)
from estimators.networks.input_layers import normalised
from estimators.networks.running.guarded import guarded

Make = Callable[[nn.Module], nn.Module]


class Around(nn.Module):
    """A network with something before and after it."""

    def __init__(
        self,
        network: nn.Module,
        after: Callable[[torch.Tensor], torch.Tensor] = lambda z: z,
        before: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
    ) -> None:
        super().__init__()
        self.network, self.after, self.before = network, after, before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.network(self.before(x)))


class NeverEvaluates(nn.Module):
    """Overrides train(), and so eval(), without its super's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.drop = network, nn.Dropout(0.5)

    def train(self, mode: bool = True) -> NeverEvaluates:
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(self.drop(x))


def seeded_noise(x: torch.Tensor) -> torch.Tensor:
    """The same noise at each call, another one at each place of the batch."""
    return x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def batch_statistics(z: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(z, None, None, training=True)


def cut(x: torch.Tensor) -> torch.Tensor:
    return x.detach()


ERRORS: dict[str, tuple[Make, Callable, str]] = {
    "nan": (lambda n: Around(n, lambda z: z / 0 * 0), finite, "NaN or infinite outputs for 125"),
    "random": (
        lambda n: Around(n, before=lambda x: functional.dropout(x, 0.3)),
        repeatable,
        "training=self.training",
    ),
    "batch statistics": (lambda n: Around(n, batch_statistics), one_by_one, "depends on its batch"),
    "seeded noise": (lambda n: Around(n, before=seeded_noise), one_by_one, "depends on its batch"),
    "batch norm without running statistics": (
        lambda n: nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), n),
        one_by_one,
        "track_running_stats=True",
    ),
    "detached": (lambda n: Around(n, before=cut), gradients, "no gradient reaches the image"),
    "rounded": (
        lambda n: Around(n, before=lambda x: (x * 255).round() / 255),
        gradients,
        "zero in every pixel: look in forward for rounding",
    ),
    "nan gradient": (
        # the gradient of a root at 0
        lambda n: Around(n, before=lambda x: (x**2).sqrt() - x.abs().sqrt() * 0 + 0),
        gradients,
        "gradient has NaN",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_faults_that_make_numbers_meaningless(
    digits: Images, digits_lenet: nn.Module, case: str
) -> None:
    make, check, message = ERRORS[case]
    faulty = make(digits_lenet).eval()
    with pytest.raises(InputError, match=message) as told:
        check(probe(faulty, digits, "mine"))
    assert str(told.value).startswith("network mine: ")
    assert check(probe(digits_lenet, digits, "mine")) is None
    with pytest.raises(InputError):
        check_wrapped(faulty, digits, "mine")


def test_training_mode(digits_lenet: nn.Module) -> None:
    with pytest.raises(InputError, match="drop stays in training mode after eval"):
        still_training(NeverEvaluates(digits_lenet), "mine")
    still_training(digits_lenet.train(), "mine")
    assert not digits_lenet.training


def test_a_sound_network_has_no_warning(digits: Images, digits_lenet: nn.Module) -> None:
    assert check_wrapped(digits_lenet, digits, "mine") == {}
    assert len(CHECKS) == 7


def test_log_probabilities_are_a_warning(digits: Images, digits_lenet: nn.Module) -> None:
    faulty = Around(digits_lenet, lambda z: z.log_softmax(1))
    (told,) = check_wrapped(faulty, digits, "mine").values()
    assert "log-probabilities" in told


def test_nan_for_some_images_is_a_warning(digits: Images, digits_lenet: nn.Module) -> None:
    """A root is taken of a negative number for dark images, in a branch that does not count."""

    def change(x: torch.Tensor) -> torch.Tensor:
        dark = x.mean((1, 2, 3)) - float(digits.x.mean())
        root = torch.where(dark > 0, dark.sqrt(), torch.zeros_like(dark))
        return x + 0 * root.view(-1, 1, 1, 1)

    probed = probe(Around(digits_lenet, before=change), digits, "mine")
    told = gradients(probed)
    assert told is not None and "NaN or infinite values for" in told and "of 16 images" in told


class OtherGradient(torch.autograd.Function):
    """The identity, and a backward pass that a function replaces."""

    @staticmethod
    def forward(ctx, x, change):  # type: ignore[no-untyped-def]
        ctx.change = change
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return ctx.change(gradient), None


def noise(gradient: torch.Tensor) -> torch.Tensor:
    return torch.randn(gradient.shape, generator=torch.Generator().manual_seed(1))


WRONG_GRADIENTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "turned": lambda x: OtherGradient.apply(x, lambda g: -g),
    "noise": lambda x: OtherGradient.apply(x, noise),
    "straight through rounding": lambda x: x + (x.round() - x).detach(),
}


SOUND: list[Callable[[torch.Tensor], torch.Tensor]] = [
    torch.Tensor.double,
    torch.Tensor.bfloat16,
    torch.tanh,
    lambda z: 1e-6 * z,
    lambda z: z + 1e6,
]


@pytest.mark.parametrize("name", WRONG_GRADIENTS)
def test_a_gradient_that_is_not_that_of_the_outputs(
    digits: Images, digits_lenet: nn.Module, name: str
) -> None:
    faulty = Around(digits_lenet, before=WRONG_GRADIENTS[name])
    (told,) = check_wrapped(faulty, digits, "mine").values()
    assert "its gradient is not that of its outputs" in told and "such as square" in told
    # none of it is said of outputs whose gradient is as it should be
    for after in SOUND:
        sound = Around(digits_lenet, after)
        assert misleading(probe(sound, digits, "mine")) is None
    assert misleading(probe(digits_lenet, digits, "mine")) is None


def test_the_step_along_the_gradient_keeps_to_pixels(
    digits: Images, digits_lenet: nn.Module
) -> None:
    def strict(x: torch.Tensor) -> torch.Tensor:
        assert bool(((x >= 0) & (x <= 1)).all())
        return x

    assert check_wrapped(Around(digits_lenet, before=strict), digits, "mine") == {}
    # nor do the usual normalisations, which are tried for one at chance, count as its error
    turned = Around(digits_lenet, lambda z: z.roll(1, 1), strict)
    (told,) = check_wrapped(guarded(turned, digits.shape), digits, "mine").values()
    assert "reorder the data's classes" in told


def test_nan_outputs_of_few_images_are_a_warning(digits: Images, digits_lenet: nn.Module) -> None:
    def change(x: torch.Tensor) -> torch.Tensor:
        limit = digits.x[:300].mean((1, 2, 3)).max()
        return x + 0 * torch.log(0.93 * float(limit) - x.mean((1, 2, 3))).view(-1, 1, 1, 1)

    probed = probe(Around(digits_lenet, before=change), digits, "mine")
    bad = int((~probed.out.isfinite()).any(1).sum())
    assert 0 < bad < 12
    assert (
        finite(probed)
        == f"returns NaN or infinite outputs for {bad} of 125 images: they count as wrong"
    )
    # the other checks still see the others
    assert repeatable(probed) is None and one_by_one(probed) is None


WANTS = {
    "pixels from 0 to 255": r"mean=\[0\.0\],std=\[0\.0039216\]",
    "pixels from -1 to 1": r"mean=\[0\.5\],std=\[0\.5\]",
}


@pytest.mark.parametrize("name", WANTS)
def test_normalised_outside(digits: Images, digits_lenet: nn.Module, name: str) -> None:
    """A network that undoes a normalisation needs it, and its user is told which."""
    (mean,), (std,) = USUAL[name]
    wants = Around(digits_lenet, before=lambda x: x * std + mean)
    assert pixels(probe(digits_lenet, digits, "mine")) is None
    if name == "pixels from 0 to 255":  # at chance without it
        with pytest.raises(InputError, match=WANTS[name]):
            pixels(probe(wants, digits, "mine"))
    else:  # well above chance, and still 10 points better with it
        assert re.search(WANTS[name], str(pixels(probe(wants, digits, "mine"))))
    mended = normalised(wants, mean, std, 1, "mine")
    assert pixels(probe(mended, digits, "mine")) is None


def test_few_images_are_no_proof(digits: Images, digits_lenet: nn.Module) -> None:
    """Of six images as many may be wrong by luck: said, and the run goes on."""
    (mean,), (std,) = USUAL["pixels from 0 to 255"]
    wants = Around(digits_lenet, before=lambda x: x * std + mean)
    for n, refused in ((6, False), (15, False), (16, True)):
        few = probe(wants, digits.beginning(n), "mine")
        if refused:
            with pytest.raises(InputError, match=r"std=\[0\.0039216\]"):
                pixels(few)
        else:
            assert "std=[0.0039216]" in str(pixels(few))


def test_untrained_is_a_warning(digits: Images) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert "which is chance" in str(pixels(probe(network, digits, "mine")))


def test_untrained_on_few_images_is_no_fault(digits: Images) -> None:
    """Of 16 images of two classes, 9 may be right inverted and 5 as they come, by luck."""
    two = dataclasses.replace(digits, y=digits.y % 2, classes=("even", "odd"))
    for seed in range(40):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 2))
        told = pixels(probe(network.eval(), two.beginning(16), "mine"))
        assert told is None or "which is chance" in told, (seed, told)


SHAPES = {
    "channels": (nn.Conv2d(3, 10, 28), r"it takes 3 x 28 x 28: build it for 1 channel,"),
    "size": (nn.Linear(32 * 32, 10), r"it takes 1 x 32 x 32: build it for this size"),
    "nothing fits": (nn.Linear(7, 10), r"does not take images of shape \[1, 28, 28\]"),
    "classes": (nn.Linear(784, 7), r"shape \[7\], the data have 10 classes"),
    "features": (nn.Identity(), r"shape \[784\], the data have 10 classes"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes(case: str) -> None:
    layer, message = SHAPES[case]
    parts = [layer, nn.Flatten()] if isinstance(layer, nn.Conv2d) else [nn.Flatten(), layer]
    with pytest.raises(InputError, match=message):
        check_fit(nn.Sequential(*parts), (1, 28, 28), 10, "mine")


def test_outputs_that_are_no_tensor() -> None:
    with pytest.raises(InputError, match="expected one tensor of logits"):
        check_fit(Around(nn.Flatten(), lambda z: (z, z)), (1, 28, 28), 784, "mine")  # type: ignore[arg-type]


INSIDE: dict[str, tuple[Callable[[torch.Tensor], object], str]] = {
    "tuple": (
        lambda z: (z[:, :2], z),
        r"tuple with \[0\] of shape \[2, 2\], \[1\] of shape \[2, 784\];",
    ),
    "dict": (
        lambda z: {"out": z, "n": 1},
        r"dict with 'out' of shape \[2, 784\]; return the logits",
    ),
    "no tensor in it": (lambda z: [None], "got list$"),
    "another object": (lambda z: "z", "got str$"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_holds_the_logits_is_named(name: str) -> None:
    inside, message = INSIDE[name]
    with pytest.raises(InputError, match=message):
        check_fit(Around(nn.Flatten(), inside), (1, 28, 28), 784, "mine")  # type: ignore[arg-type]


def test_normalisation_by_channel_keeps_eps_in_pixels() -> None:
    x = torch.rand(2, 3, 4, 4)
    layered = normalised(nn.Identity(), (0.1, 0.2, 0.3), (0.5, 1.0, 2.0), 3, "mine")
    expected = (x.numpy() - np.float32([0.1, 0.2, 0.3])[:, None, None]) / np.float32(
        [0.5, 1.0, 2.0]
    )[:, None, None]
    assert np.allclose(layered(x).numpy(), expected, atol=1e-6)
    network = nn.Identity()
    assert normalised(network, None, None, 3, "mine") is network


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.1, 0.2), None, "mean must be a number, or one for each of 3 channels"),
        ("imagenet", None, "mean must be a number"),
        (None, 0, r"std must be a number in \(0, inf\)"),
        (True, None, "mean must be a number"),
    ],
)
def test_bad_normalisations(mean, std, message: str) -> None:
    with pytest.raises(InputError, match=message):
        normalised(nn.Identity(), mean, std, 3, "mine")
