"""External networks behind a guard: memory, layout, outputs, errors and what they print."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import odd_networks
import pytest
import torch
from odd_networks import SHAPE
from torch import nn

from estimators.classifier import Classifier
from estimators.defences.build import build_defence
from estimators.errors import InputError, NetworkError
from estimators.networks.build import build_network
from estimators.networks.running.guarded import Guarded, guarded
from estimators.networks.running.silence import silenced
from estimators.plugins import describe_error
from estimators.spec import Spec


def images(n: int = 8) -> torch.Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1))


def guard(network: nn.Module) -> Guarded:
    result = guarded(network, SHAPE, "odd")
    assert isinstance(result, Guarded)
    return result


@pytest.mark.parametrize("name", ["lenet", "cnn", "resnet"])
def test_this_projects_networks_need_no_guard(name: str) -> None:
    for spec in (Spec(name), Spec.of(name, mean=0.1, low_pass=1.0)):
        network = build_network(spec, SHAPE, 10).eval()
        assert guarded(network, SHAPE) is network


def test_layers_of_torch_need_no_guard_unless_they_write() -> None:
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(784, 10))
    assert guarded(network, SHAPE) is network
    guard(nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(784, 10)))
    network.register_forward_hook(lambda m, i, o: None)
    guard(network)


IN_PLACE = {
    "operations": (odd_networks.in_place, odd_networks.in_place_copied),
    "views and NumPy": (odd_networks.in_place_view, odd_networks.in_place_view_copied),
    "torch's own layer": (
        lambda: nn.Sequential(nn.Threshold(0.3, 0.0, inplace=True), odd_networks.plain()).eval(),
        lambda: nn.Sequential(nn.Threshold(0.3, 0.0), odd_networks.plain()).eval(),
    ),
}


@pytest.mark.parametrize("case", IN_PLACE)
@pytest.mark.parametrize("defence", ["none", "quantize"])
def test_images_stay_as_they_are(case: str, defence: str) -> None:
    """Logits, gradients and images are those of the twin that copies."""
    writing, copying = (make() for make in IN_PLACE[case])
    one, other = (
        Classifier(network, SHAPE, 10, build_defence(Spec(defence)))
        for network in (writing, copying)
    )
    x, y = images(), torch.arange(8)
    before, one_hot = x.clone(), np.eye(10, dtype=np.float32)[:8]
    assert torch.allclose(one.logits(x), other.logits(x), atol=1e-5)
    assert torch.allclose(one.input_gradient(x, y), other.input_gradient(x, y), atol=1e-5)
    assert np.allclose(one.predict(x.numpy()), other.predict(x.numpy()), atol=1e-5)
    ours, theirs = (c.loss_gradient(x.numpy(), one_hot) for c in (one, other))
    assert np.allclose(ours, theirs, atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("make", [odd_networks.view_behind_conv, odd_networks.strided])
def test_a_network_keeps_the_layout_that_it_needs(make: Callable[[], nn.Module]) -> None:
    network, plain = make(), odd_networks.plain()
    guarding = guard(network)
    assert not guarding.channels_last
    (note,) = guarding.notes
    assert "does not work with channels-last memory" in note
    classifier = Classifier(network, SHAPE, 10)
    x, y = images(), torch.arange(8)
    with torch.no_grad():
        assert torch.allclose(classifier.logits(x), plain(x), atol=1e-5)
    expected = Classifier(plain, SHAPE, 10).input_gradient(x, y)
    assert torch.allclose(classifier.input_gradient(x, y), expected, atol=1e-5)
    one_hot = np.eye(10, dtype=np.float32)[:8]
    assert np.isfinite(classifier.loss_gradient(x.numpy(), one_hot)).all()


def test_a_network_that_works_keeps_channels_last() -> None:
    network = guard(odd_networks.conv_hook())
    assert network.channels_last
    assert network.notes == ()
    classifier = Classifier(odd_networks.conv_hook(), SHAPE, 10)
    weight = next(classifier.network.parameters())
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_is_read_as_float32(dtype: torch.dtype) -> None:
    network = odd_networks.around(lambda layers, x: layers(x).to(dtype))
    guarding, x = guard(network), images()
    (note,) = guarding.notes
    assert str(dtype).removeprefix("torch.") + " outputs, read as float32" in note
    assert guarding(x).dtype == torch.float32
    assert torch.equal(guarding(x), network(x).float())
    classifier = Classifier(network, SHAPE, 10)
    assert torch.isfinite(classifier.input_gradient(x, torch.arange(8))).all()


class Marked(torch.Tensor):
    """A subclass of tensors, as image types of torchvision are."""


def test_float64_outputs_are_read_as_float32() -> None:
    network = odd_networks.around(lambda layers, x: layers(x).double())
    guarding, x = guard(network), images()
    assert guarding.notes == ()
    assert torch.equal(guarding(x), network(x).float())
    assert guarding(x).dtype == torch.float32


def test_outputs_of_a_subclass_are_plain_tensors() -> None:
    """Numbers of a subclass of tensors cannot be formatted."""
    network = odd_networks.around(lambda layers, x: layers(x).as_subclass(Marked))
    guarding, x = guard(network), images()
    assert type(network(x)) is Marked and type(guarding(x)) is torch.Tensor
    assert torch.equal(guarding(x), network(x).as_subclass(torch.Tensor))
    assert f"{guarding(x)[0, 0]:.3g}"


def test_a_network_of_float64_alone() -> None:
    """Weights are read as float32; a forward that casts its images to float64 needs them wider."""
    network = odd_networks.around(lambda layers, x: layers(x.double()))
    guarding, x = guard(network), images()
    (note,) = guarding.notes
    assert "works in float64 alone" in note
    expected = odd_networks.around(lambda layers, x: layers(x))
    assert torch.allclose(guarding(x), expected(x), atol=1e-5)
    classifier = Classifier(guarding, SHAPE, 10)
    assert classifier.input_gradient(x, torch.arange(8)).dtype == torch.float32


def test_a_network_that_raises_once_is_not_one_of_float64() -> None:
    def once(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(layers, "called"):
            layers.called = True  # type: ignore[assignment]
            raise RuntimeError("not yet")
        return layers(x)

    guarding = guard(odd_networks.around(once))
    assert guarding.notes == ()
    assert {p.dtype for p in guarding.parameters()} == {torch.float32}


def test_an_image_alone_keeps_its_row() -> None:
    """`squeeze()` takes the dimension of the images, too, where there is one image."""
    network = odd_networks.around(lambda layers, x: layers(x).squeeze())
    guarding, x = guard(network), images()
    assert guarding(x[:1]).shape == (1, 10)
    assert torch.equal(guarding(x[:1]), network(x[:1])[None])
    assert guarding(x).shape == (8, 10)
    # one output of one image is not ten classes
    single = guard(odd_networks.around(lambda layers, x: layers(x)[:, 0]))
    assert single(x[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (odd_networks.int_output, "int32 outputs, which have no gradient; return float32"),
        (lambda: odd_networks.around(lambda n, x: n(x) > 0), "bool outputs, which have no grad"),
    ],
)
def test_what_cannot_work_is_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(NetworkError, match=f"network odd: .*{message}"):
        guarded(make(), SHAPE, "odd")


def test_what_ends_the_program_is_an_error_of_the_network() -> None:
    network = guard(odd_networks.exits())
    with pytest.raises(NetworkError, match="network odd: SystemExit: 0, raised in its forward"):
        network(images())
    with pytest.raises(NetworkError, match="network odd: RecursionError: maximum recursion"):
        guard(odd_networks.recurses())(images())
    interrupting = guard(odd_networks.interrupts())
    with ThreadPoolExecutor(1) as pool, pytest.raises(NetworkError, match="KeyboardInterrupt"):
        pool.submit(interrupting, images()).result()
    with pytest.raises(NetworkError, match="KeyboardInterrupt, raised in its forward"):
        interrupting(images())


@pytest.mark.skipif(os.name == "nt", reason="a program cannot send itself Ctrl-C there")
def test_ctrl_c_stays_what_it_is() -> None:
    def forward(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        signal.raise_signal(signal.SIGINT)
        return layers(x)

    before = signal.getsignal(signal.SIGINT)
    # ignored where the suite runs in a shell's background
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Guarded(odd_networks.around(forward), "odd")(images())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_of_ctrl_c_are_kept() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def forward(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        signal.raise_signal(signal.SIGINT)
        return layers(x)

    try:
        # of the caller: it is called, and decides what happens
        signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
        Guarded(odd_networks.around(forward), "odd")(images())
        assert seen == [signal.SIGINT]
        # where Ctrl-C is ignored, a KeyboardInterrupt is the network's
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with pytest.raises(NetworkError, match="KeyboardInterrupt"):
            Guarded(odd_networks.interrupts(), "odd")(images())
    finally:
        signal.signal(signal.SIGINT, before)


def test_errors_keep_their_class_and_text() -> None:
    network = guard(odd_networks.raises_for_some())
    with pytest.raises(NetworkError) as caught:
        network(torch.ones(1, *SHAPE))
    assert describe_error(caught.value) == "RuntimeError: too bright"
    assert isinstance(caught.value, InputError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == "network odd: RuntimeError: too bright"


def test_lack_of_memory_stays_what_it_is() -> None:
    def forward(layers: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        raise MemoryError

    with pytest.raises(MemoryError):
        Guarded(odd_networks.around(forward), "odd")(images())


def test_a_network_may_keep_what_it_computed() -> None:
    """Inference mode would make that useless for gradients."""
    classifier = Classifier(odd_networks.remembers(), SHAPE, 10)
    x = images()
    classifier.logits(x)
    assert torch.isfinite(classifier.input_gradient(x, torch.arange(8))).all()


def test_what_a_network_prints_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    network = guard(odd_networks.prints())
    assert network.notes == ("prints while it computes ('features: 2'); its output is dropped",)
    stdout, stderr = sys.stdout, sys.stderr
    network(images())
    assert (sys.stdout, sys.stderr) == (stdout, stderr)
    print("after")
    assert capsys.readouterr() == ("after\n", "")


def test_other_threads_still_print(capsys: pytest.CaptureFixture[str]) -> None:
    inside, done = threading.Event(), threading.Event()

    def silent() -> None:
        with silenced() as heard:
            inside.set()
            done.wait(10)
            print("dropped", file=sys.stderr)
            print("second")
        assert heard == ["dropped"]

    with ThreadPoolExecutor(2) as pool:
        blocks = [pool.submit(silent) for _ in range(2)]
        assert inside.wait(10)
        print("shown")
        done.set()
        for block in blocks:
            block.result()
    assert capsys.readouterr() == ("shown\n", "")


def test_random_numbers_are_left_alone() -> None:
    network = odd_networks.around(lambda layers, x: layers(x + 0 * torch.rand(1)))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    guard(network)
    assert torch.equal(torch.rand(3), expected)
