"""Defences in training: what the network learns from, how it is named, what is shipped."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from closed_form import linear_case
from torch import nn

from benchmark.attacks.projected_gradient import ProjectedGradient
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.jpeg_codec.codec import round_trip
from estimators.networks.build import build_network
from estimators.networks.registry import NETWORKS
from estimators.spec import Spec, Value, parse_spec
from estimators.training.adversarial import Training, build_training, descend
from estimators.training.checkpoints import SHIPPED, checkpoint_key, load_checkpoint, shipped_file
from estimators.training.recipes import Recipe, recipe_for
from estimators.training.train import evaluate, train
from estimators.training.train_or_load import trained_network
from estimators.training_spec import shortest, split_training, with_training

ROBUST = Spec.of("lenet", adversarial="pgd")
SHAPE = (1, 28, 28)


def pgd(**params: Value) -> Training:
    return build_training(Spec.of("pgd", params))


def jpeg(**params: Value) -> Training:
    return build_training(Spec.of("jpeg", params))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_pgd_reaches_the_corner_of_a_linear_network() -> None:
    """With two classes the loss rises along one direction: its maximum is the ball's corner."""
    case = linear_case(20, classes=2)
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    weight = case.network[1].weight.detach()
    away = (weight[1 - y] - weight[y]).sign().view_as(x)
    found = pgd(eps=0.1, warmup=0).batch(case.network, x, y, 0.0, generator())
    low, high = x - 0.1, x + 0.1
    assert torch.equal(found, torch.where(away > 0, high, low).clamp(0, 1))


def test_pgd_is_arts_from_the_same_start(digits: Images, digits_lenet: nn.Module) -> None:
    x, y = digits.x[:50], digits.y[:50]
    theirs = ProjectedGradient(
        Classifier(digits_lenet, SHAPE, 10), eps=0.1, eps_step=0.02, max_iter=8
    ).generate(x, y)
    start = torch.from_numpy(x)
    found = descend(digits_lenet, start, torch.from_numpy(y), start, 0.1, 0.02, 8).numpy()
    # the gradient is of the sum and not of the mean: signs of almost nothing may differ
    assert np.mean(np.abs(found - theirs) > 1e-6) < 1e-3
    assert np.abs(theirs - x).max() > 0.09


def test_pgd_starts_anywhere_in_the_ball() -> None:
    case = linear_case(400)
    x, y = torch.full_like(torch.from_numpy(case.x), 0.5), torch.from_numpy(case.y)
    still = pgd(eps=0.2, max_iter=1, eps_step=0.0, warmup=0)
    change = still.batch(case.network, x, y, 0.0, generator()) - x
    assert change.abs().max() <= 0.2 + 1e-6
    # uniform: deciles of 25,600 numbers, within five standard errors
    shares = torch.histc(change, 10, -0.2, 0.2) / change.numel()
    assert (shares - 0.1).abs().max() < 5 * math.sqrt(0.09 / change.numel())
    black = torch.zeros_like(x)
    assert still.batch(case.network, black, y, 0.0, generator()).min() == 0


@pytest.mark.parametrize(("progress", "radius"), [(0.0, 0.0), (0.1, 0.1), (0.2, 0.2), (1.0, 0.2)])
def test_eps_grows_while_the_training_warms_up(progress: float, radius: float) -> None:
    case = linear_case(10)
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    training = pgd(eps=0.2, warmup=0.2)
    change = training.batch(case.network, x, y, progress, generator()) - x
    assert change.abs().max().item() == pytest.approx(radius, abs=1e-6)


def test_the_network_comes_back_as_it_was(digits: Images) -> None:
    network = build_network(Spec("lenet"), SHAPE, 10).train()
    network.layers[0].weight.requires_grad_(False)
    x, y = torch.from_numpy(digits.x[:4]), torch.from_numpy(digits.y[:4])
    seen = []
    network.layers[9].register_forward_hook(lambda module, *_: seen.append(module.training))
    found = pgd(max_iter=2).batch(network, x, y, 1.0, generator())
    assert seen == [False, False]
    assert network.training and network.layers[9].training
    assert [p.requires_grad for p in network.parameters()][:2] == [False, True]
    assert all(p.grad is None for p in network.parameters()) and not found.requires_grad


@pytest.mark.parametrize(
    ("method", "dropout"), [(pgd(max_iter=1), False), (jpeg(), True), (None, True)]
)
def test_dropout_is_off_for_pgd_alone(digits: Images, method, dropout: bool) -> None:
    seen = []

    def build() -> nn.Module:
        network = build_network(Spec("lenet"), SHAPE, 10)
        network.layers[9].register_forward_hook(note)
        return network

    def note(module: nn.Module, *_: object) -> None:
        if torch.is_grad_enabled():
            seen.append(module.training)

    train(build, digits[:32], digits[:8], Recipe(1, 32, adversarial=method), 0)
    # the last pass is the one that is learned from
    assert seen[-1] is dropout


def test_vaccination_compresses_a_share_of_each_batch(digits: Images) -> None:
    x, y = torch.from_numpy(digits.x[:300]), torch.from_numpy(digits.y[:300])
    method = jpeg(qualities="50+10")
    seen = method.batch(nn.Identity(), x, y, 0.0, generator())
    coded = [round_trip((x * 255).round().to(torch.uint8), q) / 255 for q in (50, 10)]
    which = torch.stack([(seen == c).flatten(1).all(1) for c in [x, *coded]])
    assert (which.sum(0) == 1).all()
    # 100 each, within four standard deviations
    assert (which.sum(1) - 100).abs().max() < 4 * math.sqrt(300 * 2 / 9)


def test_keys_of_older_checkpoints_still_hold() -> None:
    """A recipe without a defence in training has the fields, and so the keys, that it had."""
    assert set(Recipe(epochs=1).as_dict) == {
        "epochs",
        "batch_size",
        "learning_rate",
        "weight_decay",
        "flip",
        "crop",
        "bfloat16",
    }
    for path in SHIPPED.glob("*.safetensors"):
        known = load_checkpoint(path).metadata
        network = Spec.of(*known["network"])
        recipe = recipe_for(known["dataset"], network)
        assert known["recipe"] == recipe.as_dict
        architecture, _ = split_training(network)
        assert known["key"] == checkpoint_key(
            known["dataset"], known["train_sha256"], architecture, recipe, 0
        )


def test_key_depends_on_the_training() -> None:
    recipe = Recipe(epochs=1)
    methods = [
        None,
        pgd(),
        pgd(eps=0.2),
        pgd(max_iter=9),
        pgd(warmup=0.5),
        pgd(eps_step=0.01),
        jpeg(),
        jpeg(qualities="50"),
    ]
    keys = {
        checkpoint_key("digits", "a", Spec("lenet"), replace(recipe, adversarial=m), 0)
        for m in methods
    }
    assert len(keys) == len(methods)


NAMES = {
    "lenet": ("lenet", None, "lenet"),
    "lenet:adversarial=pgd": ("lenet", pgd(), "lenet[adversarial=pgd]"),
    "lenet:adversarial=pgd,eps=0.3": ("lenet", pgd(), "lenet[adversarial=pgd]"),
    "lenet:adversarial=pgd,eps=0.1,extra_layers=2": (
        "lenet[extra_layers=2]",
        pgd(eps=0.1),
        "lenet[adversarial=pgd,eps=0.1,extra_layers=2]",
    ),
    "cnn:adversarial=jpeg,qualities=90+50": (
        "cnn",
        jpeg(qualities="90+50"),
        "cnn[adversarial=jpeg,qualities=90+50]",
    ),
    "cnn:adversarial=jpeg,qualities=50": (
        "cnn",
        jpeg(qualities=50),
        "cnn[adversarial=jpeg,qualities=50]",
    ),
}


@pytest.mark.parametrize("text", NAMES)
def test_names(text: str) -> None:
    spec = parse_spec(text)
    architecture, method, short = NAMES[text]
    found, trained_by = split_training(spec)
    assert (str(found), str(shortest(spec))) == (architecture, short)
    assert (trained_by and build_training(trained_by)) == method
    assert shipped_file("mnist", spec) == shipped_file("mnist", shortest(spec))
    assert recipe_for("mnist", spec).adversarial == method


def test_option_and_name_are_the_same() -> None:
    spec = with_training(parse_spec("lenet:extra_layers=1"), parse_spec("pgd:eps=0.2,max_iter=3"))
    assert spec == parse_spec("lenet:extra_layers=1,adversarial=pgd,eps=0.2,max_iter=3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pgd:eps=2", "eps must be a number in [0, 1], got 2"),
        ("pgd:eps=big", "got 'big'"),
        ("pgd:max_iter=0", "max_iter must be an integer from 1 to 10000, got 0"),
        ("pgd:warmup=-1", "warmup"),
        ("pgd:qualities=3", "unknown parameter of the training pgd 'qualities'"),
        ("jpeg:qualities=50+0", "qualities must be integers from 1 to 100"),
        ("jpeg:qualities=many", "got 'many'"),
        ("pgdd", "did you mean 'pgd'"),
    ],
)
def test_bad_trainings(bench, text: str, message: str) -> None:
    code, told = bench("train", "--network", "lenet", "--dataset", "digits", "--adversarial", text)
    assert code == 2
    assert message in " ".join(told.split())


def test_bad_names() -> None:
    with pytest.raises(InputError, match="unknown adversarial training 'none'"):
        build_network(Spec.of("lenet", adversarial="none"), SHAPE, 10)
    with pytest.raises(InputError, match="unknown parameter of the network lenet 'qualities'"):
        build_network(Spec.of("lenet", adversarial="pgd", qualities=50), SHAPE, 10)


def test_trained_kept_and_run(bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the option of `bench train`, by name in `bench run`: the same weights."""
    lenet = replace(NETWORKS["lenet"], recipes={("digits", "jpeg"): {"epochs": 1}})
    monkeypatch.setitem(NETWORKS, "lenet", lenet)
    name = "lenet:adversarial=jpeg,qualities=50"
    code, told = bench(
        "train", "--network", "lenet", "--dataset", "digits", "--adversarial", "jpeg:qualities=50"
    )
    assert code == 0 and "trained: test accuracy" in told
    trained = trained_network("digits", parse_spec(name))
    assert trained.reused
    assert trained.metadata["recipe"]["adversarial"] == {"method": "jpeg", "qualities": "50"}
    code, told = bench(
        "run",
        "--network",
        name,
        "--attack",
        "fgsm:eps=0.1",
        "--samples",
        "20",
        "--threads",
        "1",
        "--out",
        "out",
    )
    assert code == 0
    assert "lenet[adversarial=jpeg,qualities=50]" in told  # brackets are markup to rich
    rows = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert rows and all('"lenet[adversarial=jpeg,qualities=50]"' in row for row in rows)
    assert all(trained.sha256[:16] in row for row in rows)


def robust_accuracy(network: nn.Module, images: Images, eps: float) -> float:
    """Accuracy under PGD-40 from the image, step 2.5 eps / 40: attack `pgd` of a grid."""
    classifier = Classifier(network, images.shape, 10)
    attack = ProjectedGradient(classifier, eps=eps, eps_step=2.5 * eps / 40, max_iter=40)
    found = classifier.predict(attack.generate(images.x, images.y))
    return float((found.argmax(1) == images.y).mean())


@pytest.mark.slow
def test_pgd_training_makes_robust(digits: Images, digits_lenet: nn.Module) -> None:
    images, few = load_images("digits", "train"), digits[:100]
    recipe = Recipe(epochs=6, batch_size=32, adversarial=pgd(eps=0.15, max_iter=4))
    network, _ = train(lambda: build_network(Spec("lenet"), SHAPE, 10), images, few, recipe, 0)
    assert evaluate(network, few)[1] > 0.9
    assert robust_accuracy(network, few, 0.15) > robust_accuracy(digits_lenet, few, 0.15) + 0.3


@pytest.mark.slow
def test_shipped_network_is_as_robust_as_its_table_says(real_data: Path | None) -> None:
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(
        r"^\| mnist \| lenet\[adversarial=pgd\] \|((?: 0\.\d{3} \|){4})$", text, re.M
    )
    clean, *promised = (float(cell) for cell in row.strip("| ").split("|"))
    assert clean > 0.95 and promised[-1] > 0.7
    if real_data is None:
        pytest.skip("needs MNIST (BENCH_DATA_DIR)")
    images = subset(load_images("mnist", "test", real_data), 1000, 0)
    trained = trained_network("mnist", ROBUST)
    assert evaluate(trained.network, images)[1] == pytest.approx(clean, abs=0.002)
    for eps, share in zip((0.1, 0.2, 0.3), promised, strict=True):
        assert robust_accuracy(trained.network, images, eps) == pytest.approx(share, abs=0.003)
