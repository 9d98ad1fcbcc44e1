"""The wrapped network: equal to ART's classifier, and ART's known traps (docs/art-traps.md)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod
from art.defences.preprocessor import JpegCompression as ArtJpeg
from art.estimators.classification import PyTorchClassifier
from torch import nn

from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.build import build_defence
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.checks.wrapping import check_fit
from estimators.spec import Spec

SHAPE = (1, 28, 28)


def art_classifier(network: nn.Module, **options: object) -> PyTorchClassifier:
    """ART's own class, wrapped as a user would."""
    return PyTorchClassifier(
        network,
        nn.CrossEntropyLoss(),
        SHAPE,
        10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
        **options,
    )


@pytest.mark.parametrize("quality", [None, 30])
def test_equal_to_arts_classifier(digits: Images, digits_lenet: nn.Module, quality) -> None:
    x, y = digits.x[:60], digits.y[:60]
    spec = Spec("none") if quality is None else Spec.of("jpeg", quality=quality)
    ours = Classifier(digits_lenet, SHAPE, 10, build_defence(spec))
    defences = None if quality is None else [ArtJpeg((0, 1), quality, channels_first=True)]
    theirs = art_classifier(digits_lenet, preprocessing_defences=defences)
    assert np.allclose(ours.predict(x), theirs.predict(x), atol=1e-4)
    one_hot = np.eye(10, dtype=np.float32)[y]
    expected = theirs.loss_gradient(x, one_hot)
    assert np.allclose(ours.loss_gradient(x, one_hot), expected, atol=1e-7)
    # the tensor surface: sum instead of mean
    t = torch.from_numpy
    assert np.allclose(ours.input_gradient(t(x), t(y)).numpy() / 60, expected, atol=1e-7)
    logits = ours.logits(ours.defended(t(x))).numpy()
    assert np.allclose(logits, theirs.predict(x), atol=1e-4)


def test_points_outside_are_asked_at_the_nearest_image(
    digits: Images, digits_lenet: nn.Module
) -> None:
    """ElasticNet and others of ART's look there on their way; JPEG can code images alone."""
    x, one_hot = digits.x[:5], np.eye(10, dtype=np.float32)[digits.y[:5]]
    beyond = (1.2 * x - 0.1).astype(np.float32)
    behind = Classifier(digits_lenet, SHAPE, 10, build_defence(Spec.of("jpeg", quality=50)))
    nearest = np.clip(beyond, 0, 1)
    assert beyond.min() < 0 and beyond.max() > 1
    for request in (
        behind.predict,
        lambda x: behind.loss_gradient(x, one_hot),
        lambda x: behind.class_gradient(x, 3),
    ):
        assert np.array_equal(request(beyond), request(nearest))
    # without a defence a network takes any numbers, as ART's own classifier lets it
    bare = Classifier(digits_lenet, SHAPE, 10)
    assert not np.array_equal(bare.predict(beyond), bare.predict(nearest))
    # what is no number stays refused
    with pytest.raises(ValueError, match="without NaN"):
        behind.predict(np.full_like(x, np.nan))


def test_passes_are_counted(digits: Images, digits_lenet: nn.Module) -> None:
    classifier = Classifier(digits_lenet, SHAPE, 10)
    classifier.predict(digits.x[:30])
    classifier.loss_gradient(digits.x[:20], np.eye(10, dtype=np.float32)[digits.y[:20]])
    classifier.class_gradient(digits.x[:10], label=3)
    assert (classifier.forwards, classifier.gradients) == (30, 30)
    classifier.reset_counts()
    assert (classifier.forwards, classifier.gradients) == (0, 0)


def test_the_users_network_stays_as_it_was(digits_lenet: nn.Module) -> None:
    network = build_network(Spec("cnn"), (3, 32, 32), 10).train()
    Classifier(network, (3, 32, 32), 10)
    assert network.training
    assert all(p.requires_grad for p in network.parameters())


def test_evaluation_mode_whatever_the_network_was_in() -> None:
    network = build_network(Spec("cnn"), (3, 32, 32), 10).train()
    classifier = Classifier(network, (3, 32, 32), 10)
    x = np.random.RandomState(0).rand(8, 3, 32, 32).astype(np.float32)
    assert np.array_equal(classifier.predict(x), classifier.predict(x))
    classifier.loss_gradient(x, np.eye(10, dtype=np.float32)[:8])
    assert not any(m.training for m in classifier.network.modules())


def test_trap_sequential_is_not_unrolled() -> None:
    """ART unrolls an nn.Sequential: a hook on the user's model never fires."""
    seen = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    classifier = Classifier(network, SHAPE, 10)
    classifier.network.register_forward_hook(lambda *_: seen.append(1))
    classifier.predict(np.zeros((1, *SHAPE), dtype=np.float32))
    assert seen == [1]


def test_trap_float64_is_taken() -> None:
    """ART raises for float64 in `predict`, and several attacks leak it."""
    classifier = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), SHAPE, 10)
    out = classifier.predict(np.zeros((1, *SHAPE), dtype=np.float64))
    assert out.dtype == np.float32


def test_trap_own_predictions_as_labels(digits: Images) -> None:
    """Without labels, FGM attacks predictions, and turns wrong images right."""
    torch.manual_seed(1)
    network = build_network(Spec("lenet"), SHAPE, 10)  # untrained: mostly wrong
    classifier = Classifier(network, SHAPE, 10)
    x, y = digits.x[:200], digits.y[:200]
    wrong = classifier.predict(x).argmax(1) != y
    attack = FastGradientMethod(classifier, eps=0.1, batch_size=200)
    healed_blind = (classifier.predict(attack.generate(x)).argmax(1) == y)[wrong].mean()
    healed_told = (classifier.predict(attack.generate(x, y=y)).argmax(1) == y)[wrong].mean()
    assert healed_blind > 0.02
    assert healed_told < healed_blind / 2


def test_quantize_truncates_as_arts_jpeg_does() -> None:
    quantize = build_defence(Spec("quantize"))
    x = np.array([0, 0.999 / 255, 1 / 255, 1.999 / 255, 1], dtype=np.float32).reshape(1, 1, 1, 5)
    seen, _ = quantize(x)
    assert np.array_equal(seen.ravel() * 255, np.float32([0, 0, 1, 1, 255]))
    assert seen.dtype == np.float32


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Spec("jpg"), "did you mean 'jpeg'"),
        (Spec("jpeg"), "defence jpeg"),
        (Spec.of("jpeg", quality=0), "from 1 to 100, got 0"),
        (Spec.of("jpeg", quality=101), "from 1 to 100, got 101"),
        (Spec.of("jpeg", quality=50.5), r"from 1 to 100, got 50\.5"),
        (Spec.of("jpeg", level=3), "'level'"),
        (Spec("os.path.join"), "must begin with 'art.'"),
        (Spec("art.attacks.evasion.DeepFool"), "not a Preprocessor"),
        (
            Spec.of("art.defences.preprocessor.SpatialSmoothing", apply_predict=False),
            "would protect nothing",
        ),
    ],
)
def test_bad_defences(spec: Spec, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_defence(spec)


def test_any_preprocessor_of_art() -> None:
    spec = Spec.of("art.defences.preprocessor.FeatureSqueezing", bit_depth=1)
    classifier = Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), SHAPE, 10, build_defence(spec)
    )
    x = torch.rand(4, *SHAPE)
    seen = classifier.defended(x)
    assert torch.equal(seen, (x > 0.5).to(torch.float32))
    assert torch.allclose(
        classifier.logits(seen), torch.from_numpy(classifier.predict(x.numpy())), atol=1e-5
    )


def test_networks_that_do_not_fit() -> None:
    network = build_network(Spec("lenet"), (3, 32, 32), 10)
    with pytest.raises(InputError, match=r"does not take images of shape \[1, 32, 32\]"):
        check_fit(network, (1, 32, 32), 10, "lenet")
    with pytest.raises(InputError, match="the data have 7 classes"):
        check_fit(network, (3, 32, 32), 7, "lenet")
