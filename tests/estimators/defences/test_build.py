"""The defences by short name: ART's own, faster; chance by image; chains and their derivative."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from art.defences.preprocessor import (
    FeatureSqueezing,
    GaussianAugmentation,
    SpatialSmoothing,
    TotalVarMin,
)
from art.defences.preprocessor.preprocessor import Preprocessor
from torch import nn

from benchmark.api.grid import run_grid
from benchmark.grids.model import Grid
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.backward import plain_forward
from estimators.defences.base import DifferentiableDefence, content_ids, is_random
from estimators.defences.build import build_defence, byte_coder
from estimators.defences.chain import Chain
from estimators.defences.quantize import Quantize
from estimators.defences.registry import DEFENCES
from estimators.errors import InputError
from estimators.random_streams import stream
from estimators.spec import Spec, parse_spec

RANDOM = ["gaussian", "resize", "tvm"]
CHAINS = ["smoothing+jpeg:jpeg.quality=50", "gaussian+squeezing+gaussian"]
ALL = ["smoothing", "squeezing", *RANDOM, *CHAINS]


def built(text: str) -> Preprocessor:
    defence = build_defence(parse_spec(text))
    assert defence is not None
    return defence


def images(count: int = 6, channels: int = 1, height: int = 12, width: int = 9) -> torch.Tensor:
    """Noise at few levels, so that windows have ties, between black and white."""
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 6, (count, channels, height, width)) / 5
    return torch.from_numpy(levels.astype(np.float32))


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 11, 20])
@pytest.mark.parametrize("channels", [1, 3])
def test_smoothing_is_arts(window: int, channels: int) -> None:
    x = images(channels=channels).numpy()
    expected, _ = SpatialSmoothing(window, channels_first=True, clip_values=(0, 1))(x)
    defence = built(f"smoothing:window_size={window}")
    found, labels = defence(x, "labels")
    assert np.array_equal(found, expected)
    np.testing.assert_allclose(defence.surrogate(torch.from_numpy(x)), expected, atol=1e-6)
    assert found.dtype == np.float32 and labels == "labels"


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_squeezing_is_arts_in_float32(digits: Images, bits: int) -> None:
    x = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
    x[0].fill(0.5)  # a tie
    # in float64 whatever NumPy makes of a float32 array times a scalar
    expected, _ = FeatureSqueezing((0, 1), bits)(x.astype(np.float64))
    found, _ = built(f"squeezing:bit_depth={bits}")(x)
    assert np.array_equal(found, expected.astype(np.float32))
    assert found.dtype == np.float32


def test_gaussian_is_arts_with_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    x, ids = images(), np.arange(6)
    noise = np.stack([stream(7, i, "defence", 2).standard_normal(x.shape[1:]) for i in ids])
    monkeypatch.setattr(np.random, "normal", lambda at, scale, size: at + scale * noise)
    expected, _ = GaussianAugmentation(0.3, augmentation=False, clip_values=(0, 1))(x.numpy())
    assert np.array_equal(built("gaussian:sigma=0.3").draw(x, ids, 7, 2).numpy(), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", [1, 2])
def test_tvm_is_arts_with_the_same_mask(
    monkeypatch: pytest.MonkeyPatch, channels: int, norm: int
) -> None:
    x, ids = images(3, channels), np.arange(3)
    masks = iter([stream(7, i, "defence", 2).random((12, 9, channels)) for i in ids])
    monkeypatch.setattr(np.random, "rand", lambda *shape: next(masks))
    theirs = TotalVarMin(norm=norm, max_iter=4, clip_values=(0, 1))
    expected, _ = theirs(x.permute(0, 2, 3, 1).numpy())
    found = built(f"tvm:norm={norm},max_iter=4").draw(x, ids, 7, 2)
    assert np.array_equal(found.permute(0, 2, 3, 1).numpy(), expected)


def test_trap_tvm_reads_the_last_axis_as_channels() -> None:
    """Of [N, C, H, W] ART smooths every column by itself: there is no variation along a row."""
    x = np.zeros((1, 1, 8, 8), dtype=np.float32)
    x[..., ::2] = 1.0  # stripes: constant along each column
    theirs, _ = TotalVarMin(clip_values=(0, 1))(x)
    assert np.array_equal(theirs, x)
    ours, _ = built("tvm")(x)
    assert np.abs(ours - x).max() > 0.2


@pytest.mark.parametrize("text", ALL)
def test_images_stay_images(text: str) -> None:
    defence = built(text)
    for channels in (1, 3):
        x = images(4, channels, 16, 16)
        seen, _ = defence(x.numpy())
        assert seen.shape == x.shape and seen.dtype == np.float32
        assert seen.min() >= 0 and seen.max() <= 1
        assert np.array_equal(seen, plain_forward(defence, x).numpy())
    with pytest.raises(ValueError, match="without NaN"):
        defence(np.full((1, 1, 16, 16), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="must"):
        defence(np.full((1, 1, 16, 16), 1.1, dtype=np.float32))
    with pytest.raises(ValueError, match=r"\[N, C, H, W\]"):
        defence(np.zeros((1, 16, 16), dtype=np.float32))


@pytest.mark.parametrize("text", [*RANDOM, CHAINS[1]])
def test_a_draw_depends_on_image_seed_and_number_alone(text: str) -> None:
    defence, x, ids = built(text), images(5), np.array([7, 3, 9, 1, 4])
    assert is_random(defence)
    whole = defence.draw(x, ids, 0, 0)
    order = [3, 0, 4, 2, 1]
    parts = [defence.draw(x[[k]], ids[[k]], 0, 0) for k in order]
    assert torch.equal(torch.cat(parts), whole[order])
    assert not torch.equal(defence.draw(x, ids, 1, 0), whole)
    assert not torch.equal(defence.draw(x, ids, 0, 1), whole)
    same = defence.draw(x[:1].expand(5, -1, -1, -1), ids, 0, 0)
    assert not torch.equal(same, same[:1].expand_as(same))


@pytest.mark.parametrize("text", [*RANDOM, CHAINS[1]])
def test_without_ids_the_content_decides(text: str) -> None:
    defence, x = built(text), images(4)
    whole = defence.forward_tensor(x)
    assert torch.equal(torch.cat([defence.forward_tensor(part) for part in x.split(1)]), whole)
    assert torch.equal(defence.forward_tensor(x.flip(0)), whole.flip(0))
    near = x.clone()
    near[0, 0, 0, 0] += 1e-6 if near[0, 0, 0, 0] < 0.5 else -1e-6
    assert content_ids(near)[0] != content_ids(x)[0]
    assert content_ids(near)[1] == content_ids(x)[1]


@pytest.mark.parametrize("text", ["smoothing", "squeezing", CHAINS[0]])
def test_others_do_not_draw(text: str) -> None:
    assert not is_random(built(text))


def test_gaussian_noise_has_its_size() -> None:
    grey = torch.full((200, 1, 16, 16), 0.5)
    change = built("gaussian:sigma=0.05").draw(grey, np.arange(200), 0, 0) - grey
    # 51,200 normal numbers: four standard errors
    assert change.mean().item() == pytest.approx(0, abs=4 * 0.05 / math.sqrt(51_200))
    assert change.std().item() == pytest.approx(0.05, rel=4 / math.sqrt(2 * 51_200))


def test_resize_keeps_a_whole_image_in_the_frame() -> None:
    white = torch.ones(300, 1, 20, 20)
    seen = built("resize:smallest=0.5").draw(white, np.arange(300), 0, 0)
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    rows, columns = seen.amax(3).sum(2).flatten(), seen.amax(2).sum(2).flatten()
    assert torch.equal(rows, columns)
    assert torch.equal(seen.sum((1, 2, 3)), rows * columns)  # one rectangle
    assert (rows.min(), rows.max()) == (10, 20)
    # the place is drawn too: every corner is reached
    for corner in (seen[..., 0, 0], seen[..., 0, -1], seen[..., -1, 0], seen[..., -1, -1]):
        assert corner.sum() > 10
    x = images()
    assert torch.equal(built("resize:smallest=1").draw(x, np.arange(6), 0, 0), x)


class Linear(DifferentiableDefence):
    """x -> A x on the flattened image."""

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) @ self.matrix.T).view_as(x)

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        return self.surrogate(x)


class Square(Preprocessor):
    """x -> x^2 as a preprocessor of ART with a derivative of its own, which knows its place."""

    def __call__(self, x, y=None):
        return x**2, y

    def estimate_gradient(self, x, grad):
        return 2 * x * grad


def positive(size: int, seed: int) -> torch.Tensor:
    """A matrix that keeps [0, 1]: rows that are averages."""
    matrix = torch.from_numpy(np.random.default_rng(seed).random((size, size))).float()
    return matrix / matrix.sum(1, keepdim=True)


def test_chain_of_linear_defences_has_the_product_as_jacobian() -> None:
    a, b = positive(9, 0), positive(9, 1)
    chain = Chain([Linear(a), Linear(b)])
    x, grad = images(4, 1, 3, 3), torch.randn(4, 1, 3, 3)
    seen, _ = chain(x.numpy())
    expected = x.flatten(1) @ a.T @ b.T
    np.testing.assert_allclose(seen.reshape(4, 9), expected, atol=1e-6)
    found = chain.estimate_gradient(x.numpy(), grad.numpy()).reshape(4, 9)
    np.testing.assert_allclose(found, grad.flatten(1) @ (b @ a), atol=1e-6)
    # ART's class gradients: one more axis
    many = torch.randn(4, 5, 1, 3, 3)
    found = chain.estimate_gradient(x.numpy(), many.numpy()).reshape(4, 5, 9)
    np.testing.assert_allclose(found, many.flatten(2) @ (b @ a), atol=1e-6)


def test_chain_rule_at_each_members_own_input() -> None:
    """d (A x)^2 = 2 (A x) A, and d A x^2 = A 2 x: where the square stands decides."""
    a = positive(9, 0)
    x, grad = images(4, 1, 3, 3), torch.randn(4, 1, 3, 3)
    flat, towards = x.flatten(1), grad.flatten(1)
    after = Chain([Linear(a), Square()]).estimate_gradient(x.numpy(), grad.numpy())
    np.testing.assert_allclose(after.reshape(4, 9), (2 * (flat @ a.T) * towards) @ a, atol=1e-6)
    before = Chain([Square(), Linear(a)]).estimate_gradient(x.numpy(), grad.numpy())
    np.testing.assert_allclose(before.reshape(4, 9), 2 * flat * (towards @ a), atol=1e-6)


def test_chain_passes_over_what_has_no_derivative() -> None:
    """Rounding is the identity on the way back, and the values are its own to the last bit."""
    a = positive(256, 0)
    x, grad = images(4, 1, 16, 16), torch.randn(4, 1, 16, 16)
    rounding = Quantize()
    chain = Chain([rounding, Linear(a), rounding])
    exact = rounding.forward_tensor(Linear(a).forward_tensor(rounding.forward_tensor(x)))
    assert torch.equal(chain.forward_tensor(x), exact)
    found = chain.estimate_gradient(x.numpy(), grad.numpy()).reshape(4, 256)
    np.testing.assert_allclose(found, grad.flatten(1) @ a, atol=1e-6)
    leaf = x.clone().requires_grad_(True)
    assert torch.equal(chain.surrogate(leaf), exact)


def test_chain_of_draws() -> None:
    chain, x, ids = built(CHAINS[1]), images(4), np.arange(4)
    first, squeeze, last = chain.members
    step = squeeze.forward_tensor(first.draw(x, ids, 5, 3 * 2))
    assert torch.equal(chain.draw(x, ids, 5, 2), last.draw(step, ids, 5, 3 * 2 + 2))
    leaf = x.clone().requires_grad_(True)
    seen = chain.draw(leaf, ids, 5, 2)
    assert torch.equal(seen, chain.draw(x, ids, 5, 2))
    (found,) = torch.autograd.grad(seen.sum(), leaf)
    # two noises and a rounding: the identity
    assert torch.equal(found, torch.ones_like(x))


def test_chain_through_a_draw_without_derivative() -> None:
    chain, x = built("tvm+smoothing"), images(2)
    grad = np.ones_like(x.numpy())
    assert chain.estimate_gradient(x.numpy(), grad).sum() == pytest.approx(grad.sum(), rel=1e-4)


def test_smoothings_derivative_is_that_of_the_median() -> None:
    """Without ties: central differences. In a flat region: the mean's."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.permutation(64).reshape(1, 1, 8, 8) / 64).float()
    grad = torch.from_numpy(rng.standard_normal((1, 1, 8, 8))).float()
    defence = built("smoothing")
    found = defence.estimate_gradient(x.numpy(), grad.numpy())
    expected = np.empty((8, 8))
    for i, j in np.ndindex(8, 8):
        up, down = x.clone(), x.clone()
        up[0, 0, i, j] += 1e-3
        down[0, 0, i, j] -= 1e-3
        change = defence.forward_tensor(up.clamp(0, 1)) - defence.forward_tensor(down.clamp(0, 1))
        width = (up.clamp(0, 1) - down.clamp(0, 1)).sum()
        expected[i, j] = (change * grad).sum() / width
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-3)
    flat = np.full((1, 1, 8, 8), 0.5, dtype=np.float32)
    back = defence.estimate_gradient(flat, np.ones_like(flat))
    np.testing.assert_allclose(back[0, 0, 2:-2, 2:-2], 1.0, atol=1e-6)


def test_arts_gradient_through_a_chain(digits: Images) -> None:
    """PyTorchClassifier.loss_gradient takes the chain's derivative."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    a = positive(784, 0)
    x, y = digits.x[:5], np.eye(10, dtype=np.float32)[digits.y[:5]]
    defended = Classifier(network, (1, 28, 28), 10, Chain([Linear(a), Linear(a)]))
    folded = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    folded[1].weight.data = network[1].weight.data @ a @ a
    folded[1].bias.data = network[1].bias.data
    bare = Classifier(folded, (1, 28, 28), 10)
    np.testing.assert_allclose(defended.predict(x), bare.predict(x), atol=1e-5)
    np.testing.assert_allclose(defended.loss_gradient(x, y), bare.loss_gradient(x, y), atol=1e-7)
    np.testing.assert_allclose(defended.class_gradient(x), bare.class_gradient(x), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "kinds", "printed"),
    [
        ("smoothing+jpeg:jpeg.quality=30", ["Smoothing", "JpegCompression"], None),
        (
            "jpeg+quantize+jpeg:jpeg.quality=90,jpeg2.quality=10",
            ["JpegCompression", "Quantize", "JpegCompression"],
            "jpeg+quantize+jpeg[jpeg.quality=90,jpeg2.quality=10]",
        ),
        (
            "art.defences.preprocessor.FeatureSqueezing+smoothing:"
            "art.defences.preprocessor.FeatureSqueezing.bit_depth=2",
            ["FeatureSqueezing", "Smoothing"],
            None,
        ),
    ],
)
def test_spelling_of_chains(text: str, kinds: list[str], printed: str | None) -> None:
    spec = parse_spec(text)
    chain = build_defence(spec)
    assert isinstance(chain, Chain)
    assert [type(member).__name__ for member in chain.members] == kinds
    assert printed in (None, str(spec))
    assert byte_coder(chain) is None


def test_parameters_reach_their_member() -> None:
    chain = built("jpeg+smoothing+jpeg:jpeg.quality=90,smoothing.window_size=5,jpeg2.quality=10")
    assert [m.quality for m in chain.members[::2]] == [90, 10]
    assert chain.members[1].window_size == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smoothing+jpg", "did you mean 'jpeg'"),
        ("smoothing+none", "does nothing in a chain"),
        ("smoothing+", "unknown defence ''"),
        ("smoothing+jpeg", "defence jpeg: needs the parameter quality"),
        ("smoothing+jpeg:quality=50", "unknown parameter of the defence smoothing"),
        ("smoothing+jpeg:jpeg2.quality=50", r"jpeg\.PARAMETER"),
        ("smoothing+jpeg:jpeg.level=50", "'level'"),
        ("smoothing:window_size=0", "window_size must be an integer from 1 to 63, got 0"),
        ("smoothing:window_size=2.5", "got 2.5"),
        ("squeezing:bit_depth=true", "bit_depth must be an integer"),
        ("gaussian:sigma=-1", "sigma must be a number in \\[0, 10\\], got -1"),
        ("gaussian:sigma=.nan", "got nan"),
        ("resize:smallest=0", r"smallest must be a number in \[0\.1, 1\]"),
        ("tvm:prob=2", r"prob must be a number in \[0, 1\]"),
        ("tvm:norm=3", "norm must be an integer from 1 to 2"),
        ("tvm:max_iter=0", "max_iter"),
    ],
)
def test_bad_defences(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_defence(parse_spec(text))


def test_rows_have_every_parameter() -> None:
    for entry in DEFENCES.values():
        build = entry.load()
        assert callable(build)
        assert {*entry.defaults, *entry.values} == set(inspect.signature(build).parameters)


def test_defences_in_a_grid() -> None:
    grid = Grid(
        name="defences",
        attacks=[{"name": "fgsm", "eps": [0, 0.1]}],
        defences=[
            "none",
            "squeezing",
            "gaussian",
            {"name": "smoothing+jpeg", "jpeg.quality": [75, 30]},
            {"name": "jpeg", "quality": 30},
            {"name": "jpeg+smoothing", "jpeg.quality": 9},
        ],
        samples=20,
    )
    table = run_grid(grid, threads=1)
    assert set(table["status"]) == {"ok"}
    still = table[table["eps"] == 0]
    assert (still["correct"] == still["clean_correct"]).all()
    chains = set(table.loc[table["defence"].str.contains("+", regex=False), "defence"])
    assert chains == {
        "smoothing+jpeg[jpeg.quality=75]",
        "smoothing+jpeg[jpeg.quality=30]",
        "jpeg+smoothing[jpeg.quality=9]",
    }
    # the column of qualities is JPEG's alone: plots against it mix no chain in
    assert set(table.loc[table["quality"].notna(), "defence"]) == {"jpeg"}


def test_specs_are_what_grids_make() -> None:
    entry = {"name": "smoothing+jpeg", "jpeg.quality": [75, 30], "smoothing.window_size": 3}
    grid = Grid(name="g", attacks=["cw"], threats=["oblivious"], defences=[entry])
    assert [c.defence for c in grid.cells()] == [
        Spec.of("smoothing+jpeg", {"jpeg.quality": q, "smoothing.window_size": 3}) for q in (75, 30)
    ]
