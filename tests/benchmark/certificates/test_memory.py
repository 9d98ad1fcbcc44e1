"""The memory of certificates: images at once, and what each method needs."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.certificates.certify import certify
from benchmark.certificates.lookup import method_of
from benchmark.certificates.memory import ProofNeed, proof_need
from benchmark.certificates.reading import read_graph
from benchmark.execution.chunk_size import Fit, Need, fit_proofs
from benchmark.execution.executor import PROOF_CHUNK
from benchmark.grids.proof import Proof
from estimators.errors import InputError
from estimators.spec import Spec

METHODS = ("ibp", "crown", "alpha-crown")


def convolutions() -> nn.Sequential:
    """Two layers whose ReLUs are open in other numbers for each image."""
    first = nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 3, 2, 2), nn.ReLU()
    network = nn.Sequential(*first, nn.Flatten(), nn.Linear(27, 4))
    for module in (m for m in network if hasattr(m, "weight")):
        module.weight.data *= 2
    return network


def graph_of(network: nn.Module, shape: tuple[int, int, int]):
    return read_graph(network.eval(), shape, torch.rand(2, *shape), "tiny").to("cpu")


@pytest.mark.parametrize("method", METHODS)
def test_a_margin_does_not_depend_on_the_images_beside_it(method: str) -> None:
    """Not even where the limit of rows lies between the images' own numbers of open values."""
    torch.manual_seed(0)
    layers = nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 4)
    network = nn.Sequential(nn.Flatten(), *layers)
    x = torch.rand(6, 1, 4, 4)
    with torch.no_grad():
        logits = network(x)
    graph = graph_of(network, (1, 4, 4))
    labels = logits.argmax(1).numpy()
    for rows in [0] if method == "ibp" else [1, 2, 3, 4, 5]:
        spec = method_of(Spec.of(method, {} if method == "ibp" else {"rows": rows}))
        found = [certify(graph, spec, x.numpy(), labels, 0.1, batch) for batch in (1, 6)]
        for other in found[1:]:
            scale = float(logits.abs().max())
            np.testing.assert_allclose(other.margin, found[0].margin, rtol=0, atol=1e-9 * scale)
            assert np.array_equal(other.undecided, found[0].undecided)


def test_what_a_method_needs() -> None:
    graph = graph_of(convolutions(), (1, 6, 6))
    ibp, crown, alpha = (proof_need(graph, method_of(Spec(m)), PROOF_CHUNK) for m in METHODS)
    assert ibp.fixed < crown.fixed < alpha.fixed
    assert ibp.image == crown.image == alpha.image
    # larger images: each value is counted
    large = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten())
    small, more = (
        proof_need(
            graph_of(nn.Sequential(*large, nn.Linear(2 * side**2, 2)), (1, side, side)),
            method_of(Spec("ibp")),
            PROOF_CHUNK,
        )
        for side in (8, 16)
    )
    assert 3.5 < more.image / small.image < 4.5
    assert crown.of(3) - crown.of(1) == 2 * crown.image


def proofs() -> tuple[dict[Proof, ProofNeed], dict[tuple[str, Spec], Need]]:
    names = {"lenet": ("crown", ProofNeed(0.1e9, 0.05e9)), "vit": ("ibp", ProofNeed(1e9, 0.5e9))}
    found = {
        Proof("digits", Spec(network), Spec(method), 0.1, 10, 0): need
        for network, (method, need) in names.items()
    }
    return found, {("digits", Spec(name)): Need(1e6, 0.0, 125) for name in names}


def test_images_at_once_and_then_threads_shrink_to_fit() -> None:
    wanted, needs = proofs()
    lenet, vit = ("digits", Spec("lenet")), ("digits", Spec("vit"))
    found = Fit(2, {lenet: 125, vit: 125})
    # 0.5 GB, and 5 GB for eight images in each thread
    whole = fit_proofs(found, needs, wanted, 11e9, "x")
    assert (whole.threads, whole.bounded) == (2, {lenet: 8, vit: 8})
    assert whole.chunks == found.chunks
    half = fit_proofs(found, needs, wanted, 4.6e9, "x")
    assert (half.threads, half.bounded) == (2, {lenet: 8, vit: 2})
    one = fit_proofs(found, needs, wanted, 2.1e9, "x")
    assert (one.threads, one.bounded) == (1, {lenet: 8, vit: 1})


def test_the_message_names_certificate_limit_and_what_fits() -> None:
    wanted, needs = proofs()
    with pytest.raises(InputError) as told:
        fit_proofs(Fit(2, {}), needs, wanted, 1e9, "--memory")
    assert str(told.value) == (
        "memory: the certificate digits/vit ibp eps=0.1 needs 2.0 GB for one image, --memory is"
        " 1.0 GB, so it cannot run; free memory, raise --memory, or leave it out of --certify;"
        " digits/lenet crown eps=0.1 would fit"
    )
    with pytest.raises(InputError, match=r"; no certificate of the grid would fit$"):
        fit_proofs(Fit(2, {}), needs, wanted, 0.1e9, "--memory")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("method", ["ibp", "crown:rows=16", "alpha-crown:rows=8,steps=1"])
def test_the_peak_is_below_what_is_expected(method: str) -> None:
    """Of 64 pixels, with eight images at once, in a process of its own."""
    code = f"""
        import torch
        from pathlib import Path
        from torch import nn
        from benchmark.certificates.certify import certify
        from benchmark.certificates.lookup import method_of
        from benchmark.certificates.memory import proof_need
        from benchmark.certificates.reading import read_graph
        from estimators.spec import parse_spec

        def now(name):
            lines = Path("/proc/self/status").read_text().splitlines()
            return 1024 * next(int(l.split()[1]) for l in lines if l.startswith(name))

        torch.manual_seed(0)
        first = nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        net = nn.Sequential(*first, nn.Conv2d(16, 8, 3, 2), nn.ReLU(), nn.Flatten(),
                            nn.Linear(1800, 10)).eval()
        x = torch.rand(8, 3, 64, 64)
        graph = read_graph(net, (3, 64, 64), x[:2], "n").to("cpu")
        method = method_of(parse_spec("{method}"))
        y = net(x).argmax(1).numpy()
        certify(graph, method, x[:1].numpy(), y[:1], 0.0, 1)
        before = now("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        certify(graph, method, x.numpy(), y, 0.02)
        print((now("VmHWM") - before) / proof_need(graph, method, 8).of(8))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    share = float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert 0.05 < share < 1
