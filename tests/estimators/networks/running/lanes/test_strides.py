"""Layers with a stride or without a pooling, and a normalisation, on vectors of images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.anchors.networks import cnn_a
from estimators.classifier import Classifier
from estimators.networks.input_layers import Normalise
from estimators.networks.running.frozen import Frozen, laid_out
from estimators.networks.running.lanes.front import fronted
from estimators.networks.running.lanes.layers import lane_layer
from estimators.networks.running.lanes.packing import packed, row_of, unpacked
from estimators.networks.running.proofs import SWITCH
from tests.helpers.vectors import (
    COLOUR,
    GREY,
    Shape,
    assert_same_under_attack,
    fronts,
    gradient,
    images,
    needs_vectors,
    same_bits,
    sequence,
)

pytestmark = needs_vectors
MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 125])
@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_cnn_a_has_the_bits_of_torch(
    shape: Shape, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    made = cnn_a(shape).eval()
    if shape == COLOUR:
        made = nn.Sequential(Normalise(MEAN, STD), made).eval()
    fast = Classifier(made, shape, 10)
    monkeypatch.setenv(SWITCH, "1")
    plain = Classifier(made, shape, 10)
    assert [fronts(c.network) for c in (fast, plain)] == [1, 0]
    assert fast.scorer is fast.network
    assert_same_under_attack(fast, plain, images(count, shape), 0.1)


LAYERS: dict[str, Callable[[], list[nn.Module]]] = {
    "no pooling": lambda: [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU()],
    "stride, average": lambda: [nn.Conv2d(1, 6, 5, 2, 2), nn.ReLU(), nn.AvgPool2d(2)],
    "stride, maximum": lambda: [nn.Conv2d(1, 16, 4, 2, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2)],
    "oblong": lambda: [nn.Conv2d(1, 32, (4, 7), 2, (1, 3)), nn.ReLU()],
    "a pooling in between": lambda: [
        nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
    ],
    "three layers": lambda: [
        nn.Conv2d(1, 6, 5, 2, 2), nn.ReLU(), nn.Conv2d(6, 6, 5, 1, 2), nn.ReLU(),
        nn.Conv2d(6, 32, 4, 2, 1), nn.ReLU(),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_the_bits_of_torch(name: str) -> None:
    made = sequence(*LAYERS[name]())
    quick = fronted(made, GREY)
    x = images(20)
    with torch.no_grad():
        assert torch.equal(quick(x), made(x))
    assert torch.equal(gradient(quick, x), gradient(made, x))
    assert fronts(quick) == 1


ODD: dict[str, tuple[nn.Conv2d, Shape]] = {
    "stride of three": (nn.Conv2d(1, 16, 6, 3, 2), (1, 28, 28)),
    "one tap in each phase": (nn.Conv2d(3, 6, 4, 4), (3, 32, 20)),
    "taps in some phases": (nn.Conv2d(3, 3, 5, 4, 3), (3, 30, 19)),
    "much padding": (nn.Conv2d(6, 16, 5, 2, 4), (6, 13, 12)),
    "oblong": (nn.Conv2d(16, 32, (4, 7), 3, (2, 5)), (16, 19, 20)),
}


@pytest.mark.parametrize("name", ODD)
def test_values_are_right_where_the_order_is_another(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv, shape = ODD[name]
    near = partial(torch.allclose, rtol=0, atol=1e-5)
    monkeypatch.setattr("torch.equal", near)
    # its trial compares outputs and gradients
    assert lane_layer(conv.requires_grad_(False), None, shape) is not None


@pytest.mark.parametrize(
    ("conv", "shape"),
    [
        (nn.Conv2d(3, 6, 5, 2), (3, 28, 29)),  # no result reads the last row
        (nn.Conv2d(3, 6, 5, 2), (3, 29, 28)),
        (nn.Conv2d(1, 6, 4, 4), (1, 28, 28)),  # a block of pixels is wider than a row of a phase
    ],
)
def test_shapes_that_the_kernels_do_not_take(
    conv: nn.Conv2d, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    # not even tried: they would read what is not theirs
    monkeypatch.setattr("estimators.networks.running.lanes.layers._Trial", None)
    assert lane_layer(conv.requires_grad_(False), None, shape) is None
    side = conv.kernel_size[0] + 8 * conv.stride[0]
    with pytest.raises(TypeError, match="NoneType"):
        lane_layer(conv, None, (shape[0], side, side))


def test_edges_zeros_and_broken_pixels() -> None:
    first = nn.Conv2d(1, 16, 4, 2, 1, bias=False)  # then ReLU gets zeros
    made = sequence(first, nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU())
    quick = fronted(made, GREY)
    assert fronts(quick) == 1
    x = images(9)
    x[0], x[1] = 0, 1
    x[3, 0, 5, 7], x[4, 0, 0, 0], x[5, 0, 27, 27] = torch.nan, torch.inf, -torch.inf
    x[6] *= 1e-38  # products below the smallest normal number
    x[7] *= -1
    with torch.no_grad():
        assert same_bits(quick(x), made(x))
    assert same_bits(gradient(quick, x), gradient(made, x))


def normalised(*before: nn.Module, nested: bool = False) -> nn.Module:
    layers = [nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    if nested:
        made = sequence(*layers, shape=COLOUR)
        return nn.Sequential(*before, made).eval()
    return sequence(*before, *layers, shape=COLOUR)


@pytest.mark.parametrize("nested", [False, True])
def test_a_normalisation_is_taken_up(nested: bool) -> None:
    made = normalised(Normalise(MEAN, STD), nested=nested)
    quick = fronted(made, COLOUR)
    assert fronts(quick) == 1 and not isinstance(quick[0], Normalise)
    x = images(5, COLOUR)
    x[2, 1, 3, 4] = torch.nan
    for laid in (x, x.contiguous()):
        assert laid_out(quick, laid) is laid
        with torch.no_grad():
            assert same_bits(quick(laid), made(x))
        assert same_bits(gradient(quick, laid), gradient(made, x))
        assert gradient(quick, laid).stride() == laid.stride()
    assert laid_out(made, x.contiguous()).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("change", ["one mean", "a hook", "another layer"])
def test_other_normalisations_stay(change: str) -> None:
    layer: nn.Module = (
        Normalise(MEAN[:1], STD[:1]) if change == "one mean" else Normalise(MEAN, STD)
    )
    before = [layer, nn.Identity()] if change == "another layer" else [layer]
    made = normalised(*before)
    if change == "a hook":
        layer.register_forward_hook(lambda *_: None)
    assert fronted(made, COLOUR) is made


def test_a_hook_of_the_normalisation_is_called() -> None:
    frozen = Frozen.of(normalised(Normalise(MEAN, STD)), COLOUR).network
    (layer,) = [module for module in frozen.modules() if isinstance(module, Normalise)]
    seen: list[torch.Size] = []
    with torch.no_grad():
        bare = frozen(images(2, COLOUR))
        layer.register_forward_hook(lambda _module, _inputs, out: seen.append(out.shape))
        assert torch.equal(frozen(images(2, COLOUR)), bare)
    assert fronts(frozen) == 1 and seen == [torch.Size((2, *COLOUR))]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 4, 20), (6, 3, 2), (16, 5, 5)])
@pytest.mark.parametrize("margin", [0, 2])
def test_images_side_by_side(shape: Shape, margin: int, layout: torch.memory_format) -> None:
    x = torch.rand(19, *shape).contiguous(memory_format=layout)
    vectors = packed(x, margin)
    inside = vectors[:, :, margin : margin + shape[2]]
    side = inside.transpose(0, 4, 3, 1, 2).reshape(-1, *shape)
    assert np.array_equal(side[:19], x.numpy())
    # what is left is the last image
    assert np.array_equal(side[19:], np.broadcast_to(x[-1].numpy(), side[19:].shape))
    assert not vectors[:, :, :margin].any() and not vectors[:, :, margin + shape[2] :].any()
    back = unpacked(np.ascontiguousarray(inside), x.shape, layout)
    assert torch.equal(back, x) and back.is_contiguous(memory_format=layout)


def test_a_row_has_one_value_per_channel() -> None:
    values = torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    row = row_of(values, 4).reshape(4, 3, -1)
    assert (row == np.array([1, 2, 3])[None, :, None]).all()
