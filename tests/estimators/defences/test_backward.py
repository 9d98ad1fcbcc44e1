"""Attackers through defences: the exact way forward, the smooth way back, chance by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod
from art.defences.preprocessor.preprocessor import Preprocessor
from closed_form import linear_case
from torch import nn

from benchmark.attacks.fast_gradient import FastGradient
from benchmark.attacks.projected_gradient import ProjectedGradient
from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.jpeg import JpegCompression
from estimators.defences.registry import DEFENCES
from estimators.entries import DefenceEntry
from estimators.jpeg_codec.smooth import SPREAD, WIDTH, smooth_jpeg, smooth_levels, soft_round
from estimators.jpeg_codec.tables import quantisation
from estimators.random_streams import stream
from estimators.spec import Spec

SIZES = [(1, 28, 28), (3, 32, 32), (3, 13, 21), (1, 5, 3), (3, 4, 3)]


def pictures(shape: tuple[int, int, int], count: int = 6) -> torch.Tensor:
    """Smooth colours with some noise, in [0, 1]."""
    rng = np.random.default_rng(shape)
    x = rng.uniform(0, 1, (count, shape[0], 1, 1)) + np.linspace(0, 0.5, shape[2])
    x = x + 0.1 * rng.standard_normal((count, *shape))
    return torch.from_numpy(np.clip(x / 1.6, 0, 1).astype(np.float32))


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_stand_in_is_near_the_codec(shape) -> None:
    x = pictures(shape)
    exact = JpegCompression(quality=100).forward_tensor(x)
    near = smooth_jpeg(x, 100)
    # rounded coefficients move a pixel by a level or two, colour conversion by as much again
    assert (255 * (near - exact)).abs().mean() < 1.5
    # chance alone would put two pictures this far apart
    assert (255 * (near.roll(1, 0) - exact)).abs().mean() > 15


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_gradient_of_the_stand_in_is_its_slope(shape) -> None:
    rng = np.random.default_rng(1)
    x = (255 * pictures(shape, 2)).double().requires_grad_(True)
    luma, chroma = quantisation(40)
    weight, towards = (torch.from_numpy(rng.standard_normal(x.shape)) for _ in range(2))

    def value(t: float) -> float:
        return float((weight * smooth_levels(x.detach() + t * towards, luma, chroma)).sum())

    (gradient,) = torch.autograd.grad((weight * smooth_levels(x, luma, chroma)).sum(), x)
    step = 1e-5
    slope = (value(step) - value(-step)) / (2 * step)
    assert float((gradient * towards).sum()) == pytest.approx(slope, rel=1e-5)


def test_soft_rounding_rounds() -> None:
    whole, narrow = torch.arange(-3.0, 4.0), torch.tensor(0.25)
    assert torch.allclose(soft_round(whole, narrow), whole)
    assert torch.allclose(soft_round(whole + 0.5, narrow), whole + 0.5)
    assert torch.allclose(soft_round(whole + 0.3, narrow), whole, atol=0.35)
    assert torch.allclose(soft_round(whole + 0.3, torch.tensor(50.0)), whole + 0.3, atol=1e-4)
    # a coefficient at zero keeps some slope, one half way has most
    slope = slope_of_rounding(torch.tensor([0.0, 0.5]), narrow)
    assert 0.05 < slope[0] < 0.5 < 1.5 < slope[1]


def slope_of_rounding(q: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    leaf = q.clone().requires_grad_(True)
    return torch.autograd.grad(soft_round(leaf, width).sum(), leaf)[0]


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize("backward", ["identity", "surrogate"])
def test_forward_is_the_codec_bit_for_bit(quality: int, backward) -> None:
    x, jpeg = pictures((3, 32, 32)), JpegCompression(quality=quality)
    through = DefenceWithBackward(jpeg, backward)
    expected = jpeg.forward_tensor(x)
    assert torch.equal(through.forward_tensor(x), expected)
    assert torch.equal(through.enter(x)[1], expected)
    assert np.array_equal(through(x.numpy())[0], expected.numpy())


def test_closed_form_gradient_behind_the_stand_in() -> None:
    """Behind JPEG the gradient of a linear logit is its weight times the stand-in's Jacobian.

    In a block whose coefficients are all zero that is D' diag(slope of rounding) D, D being the
    cosine transform.
    """
    case = linear_case(3)
    grey = torch.full((3, 1, 8, 8), 128.5 / 255)  # truncated to 128
    through = DefenceWithBackward(JpegCompression(quality=30), "surrogate")
    classifier = Classifier(case.network, (1, 8, 8), 5, through)
    step = torch.from_numpy(quantisation(30)[0]).float().view(8, 8)
    slope = slope_of_rounding(torch.zeros(8, 8), WIDTH + SPREAD / step)
    n = torch.arange(8.0)
    cosine = torch.cos(torch.pi * n[:, None] * (2 * n + 1) / 16) / 2
    cosine[0] /= 2**0.5
    weight = case.network[1].weight.detach().view(5, 8, 8)
    expected = cosine.T @ (slope * (cosine @ weight @ cosine.T)) @ cosine
    assert (expected - weight).abs().max() > 0.3  # far from the identity
    for label in range(5):
        found = classifier.class_gradient(grey.numpy(), label=label)
        assert np.allclose(found[:, 0, 0], expected[label].numpy(), atol=2e-3)
    every = classifier.class_gradient(grey.numpy())
    assert np.allclose(every[0, :, 0], expected.numpy(), atol=2e-3)
    mine = classifier.mean_gradient(grey, lambda logits: logits[:, 2].sum())
    assert torch.allclose(mine[1, 0], expected[2], atol=2e-3)


def test_arts_loop_and_ours_take_the_same_way_back(digits: Images, digits_lenet) -> None:
    x, y = digits.x[:20], digits.y[:20]
    through = DefenceWithBackward(JpegCompression(quality=20), "surrogate")
    classifier = Classifier(digits_lenet, (1, 28, 28), 10, through)
    ours = FastGradient(classifier, eps=0.1).generate(x, y)
    one_hot = np.eye(10, dtype=np.float32)[y]
    theirs = FastGradientMethod(classifier, eps=0.1, batch_size=125).generate(x, y=one_hot)
    # pixels whose gradient is zero up to rounding may take either sign
    assert np.mean(np.abs(ours - theirs) > 1e-6) < 0.01
    bpda = FastGradient(Classifier(digits_lenet, (1, 28, 28), 10, JpegCompression(quality=20)))
    assert np.mean(np.abs(ours - bpda.generate(x, y)) > 1e-6) > 0.1


def test_identity_where_there_is_no_stand_in() -> None:
    task = plan([a_cell("adaptive-diff", Spec("quantize")), a_cell("adaptive", Spec("quantize"))])
    assert [t.view.backward for t in task] == ["identity"]
    jpeg = Spec.of("jpeg", quality=50)
    cells = [a_cell(t, jpeg) for t in ("adaptive-diff", "adaptive-eot[k=4]", "adaptive")]
    # without chance there is nothing to average
    assert [(t.view.backward, t.view.draws) for t in plan(cells)] == [
        ("surrogate", 1),
        ("identity", 1),
    ]
    bare = [a_cell(t, Spec("none")) for t in ("oblivious", "adaptive-diff", "adaptive-eot[k=4]")]
    assert len(plan(bare)) == 1


def test_jpeg_holds_less_against_who_differentiates_it(digits: Images, digits_lenet) -> None:
    x, y = digits.x[:100], digits.y[:100]
    left = {}
    jpeg = JpegCompression(quality=5)
    scorer = Classifier(digits_lenet, (1, 28, 28), 10, jpeg)
    for backward in ("identity", "surrogate"):
        classifier = Classifier(digits_lenet, (1, 28, 28), 10, DefenceWithBackward(jpeg, backward))
        found = ProjectedGradient(classifier, eps=0.08, eps_step=0.01, max_iter=20).generate(x, y)
        left[backward] = float((scorer.predict(found).argmax(1) == y).mean())
    assert left["surrogate"] < left["identity"] - 0.1


class Coin(Preprocessor):
    """Adds a constant or its negative, image by image: gradients cancel over many draws."""

    random = True

    def __init__(self, size: float = 0.02) -> None:
        super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)
        self.size = size
        self.seen: list[int] = []

    def __call__(self, x, y=None):
        raise AssertionError("drawn with ids only")

    def draw(self, x: torch.Tensor, ids: np.ndarray, seed: int, n: int) -> torch.Tensor:
        """Each image moved by +size or -size as its own stream says."""
        self.seen.append(n)
        signs = [stream(seed, i, "defence", n).choice([-1.0, 1.0]) for i in ids]
        shift = torch.tensor(signs, dtype=torch.float32).view(-1, 1, 1, 1) * self.size
        return (x + shift).clamp(0, 1)


def test_draws_belong_to_the_image(digits: Images, digits_lenet) -> None:
    x, y, ids = digits.x[:12], digits.y[:12], digits.ids[:12]

    def crafted(part: slice) -> np.ndarray:
        classifier = Classifier(
            digits_lenet,
            (1, 28, 28),
            10,
            DefenceWithBackward(Coin(), "surrogate", fresh=True),
            draws=3,
        )
        classifier.bind(ids[part], 5)
        attack = ProjectedGradient(classifier, eps=0.1, eps_step=0.03, max_iter=5)
        found = attack.generate(x[part], y[part])
        assert classifier.gradients == 15 * len(x[part])
        return found

    whole = crafted(slice(0, 12))
    halves = np.concatenate([crafted(slice(0, 5)), crafted(slice(5, 12))])
    assert np.mean(whole != halves) < 0.01  # rounding in another batch size
    with pytest.raises(ValueError, match="bound to 3 images"):
        loose = DefenceWithBackward(Coin())
        loose.bind(ids[:3], 0)
        loose.forward_tensor(torch.from_numpy(x[:4]))


def test_scoring_is_draw_zero_and_attackers_never_see_it(digits: Images) -> None:
    coin = Coin()
    x = torch.from_numpy(digits.x[:4])
    scorer, attacker = DefenceWithBackward(coin), DefenceWithBackward(coin, "surrogate", fresh=True)
    for through in (scorer, attacker):
        through.bind(digits.ids[:4], 0)
        for _ in range(3):
            through.forward_tensor(x)
    assert coin.seen == [0, 0, 0, 1, 2, 3]


def test_mean_of_draws_is_the_gradient_of_the_mean() -> None:
    """Behind a linear network the logit's gradient is its weight at any draw, the loss's is not."""
    case = linear_case(4)
    ids = np.arange(4)

    def gradient(draws: int) -> np.ndarray:
        through = DefenceWithBackward(Coin(0.2), "surrogate", fresh=True)
        classifier = Classifier(case.network, (1, 8, 8), 5, through, draws=draws)
        classifier.bind(ids, 1)
        one_hot = np.eye(5, dtype=np.float32)[case.y]
        return classifier.loss_gradient(case.x, one_hot)

    def exact(shift: float) -> torch.Tensor:
        x = torch.from_numpy(case.x + np.float32(shift)).requires_grad_(True)
        loss = nn.functional.cross_entropy(case.network(x), torch.from_numpy(case.y))
        return torch.autograd.grad(loss, x)[0]

    mean = ((exact(0.2) + exact(-0.2)) / 2).numpy()
    one, many = (np.abs(gradient(k) - mean).max() for k in (1, 256))
    assert many < 0.15 * np.abs(mean).max() + 1e-6
    assert one > 2 * many


@pytest.mark.parametrize(
    "name", ["fgsm", "pgd", "square", pytest.param("cw", marks=pytest.mark.slow)]
)
def test_attacks_on_a_randomised_defence_depend_on_no_chunk(
    digits: Images, digits_lenet, monkeypatch, name: str
) -> None:
    coin = DefenceEntry(name="coin", build=f"{__name__}:Coin", summary="", defaults={"size": 0.02})
    monkeypatch.setitem(DEFENCES, "coin", coin)
    params = {
        "fgsm": {},
        "pgd": {"max_iter": 3},
        "square": {"queries": 20},
        "cw": {"eps": None, "max_iter": 5, "binary_search_steps": 2},
    }
    attack = {k: v for k, v in {"eps": 0.1, **params[name]}.items() if v is not None}
    spec = Spec.of(name, attack)
    cells = [
        Cell("digits", Spec("lenet"), spec, known, Spec("coin"), 9, 0)
        for known in ("oblivious", "adaptive", "adaptive-eot[k=4]")
    ]
    trained = TrainedNetwork(digits_lenet, (1, 28, 28), 10)
    bench = ClassifierCache({("digits", Spec("lenet")): trained})

    def norms(part: slice) -> list[np.ndarray]:
        found = {c: o for t in plan(cells) for c, o in run_chunk(t, digits[part], bench).items()}
        if name in ("fgsm", "pgd"):
            steps = params[name].get("max_iter", 1)
            assert [found[c].gradients[0] for c in cells] == [steps, steps, 4 * steps]
        return [found[c].l2 for c in cells]

    for whole, first, second in zip(
        norms(slice(0, 9)), norms(slice(0, 4)), norms(slice(4, 9)), strict=True
    ):
        # another batch size rounds otherwise, and may turn the sign of a gradient near zero
        assert np.allclose(whole, np.concatenate([first, second]), rtol=0.02)


def a_cell(known: str, defence: Spec, network: str = "lenet", **attack: object) -> Cell:
    spec = Spec.of("fgsm", {"eps": 0.1, **attack})
    return Cell("digits", Spec(network), spec, known, defence, 50, 0)


def test_transfer_crafts_elsewhere(digits: Images, digits_lenet) -> None:
    torch.manual_seed(3)
    other = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    models = {
        ("digits", Spec("lenet")): TrainedNetwork(digits_lenet, (1, 28, 28), 10),
        ("digits", Spec("other")): TrainedNetwork(other, (1, 28, 28), 10),
    }
    images = digits[:50]
    none = Spec("none")
    cells = [
        a_cell("transfer[from=other]", none),
        a_cell("oblivious", none, "other"),
        a_cell("oblivious", none),
        a_cell("transfer[from=lenet]", none),
    ]
    tasks = plan(cells)
    assert [t.network.name for t in tasks] == ["other", "lenet"]
    bench = ClassifierCache(models)
    found = {c: o for t in tasks for c, o in run_chunk(t, images, bench).items()}
    from_other, on_other, own, to_itself = (found[c] for c in cells)
    assert np.array_equal(own.adversarial, to_itself.adversarial)
    assert np.array_equal(from_other.linf, on_other.linf)
    attack = FastGradient(Classifier(other, (1, 28, 28), 10), eps=0.1)
    moved = attack.generate(images.x, images.y)
    expected = Classifier(digits_lenet, (1, 28, 28), 10).predict(moved).argmax(1)
    assert np.array_equal(from_other.adversarial, expected)
