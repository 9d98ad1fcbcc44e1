"""ScriptModules and programs of torch.export as networks: same numbers, gradients, own hashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.checks.wrapping import check_fit, check_wrapped
from estimators.networks.given import given_network
from estimators.networks.programs import program_sha256, programs_in
from estimators.networks.weight_files import read_weights, weights_hash
from estimators.spec import Spec, parse_spec
from reports.results.read_write import read_results

GREY = (1, 28, 28)
PROGRAMS = """
    import torch
    from torch import nn

    ANY = ({0: torch.export.Dim.AUTO},)

    class Net(nn.Module):
        scale = 2.0

        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4)
            self.drop, self.last = nn.Dropout(0.5), nn.Linear(784, 10)

        def forward(self, x):
            x = self.drop(torch.relu(self.norm(self.conv(x)))) * torch.tensor([2.0])
            return self.last(x.flatten(1))

    def plain():
        torch.manual_seed(3)
        return Net().eval()

    def exported(batch=None):
        sizes = ANY if batch is None else None
        images = torch.zeros(batch or 2, 1, 28, 28)
        return torch.export.export(plain(), (images,), dynamic_shapes=sizes)

    def script(): return torch.jit.script(plain())
    def trace(): return torch.jit.trace(plain(), torch.zeros(2, 1, 28, 28))
    def frozen(): return torch.jit.freeze(script())
    def module(): return exported().module()
    def inside(): return nn.Sequential(nn.Identity(), script())
    def fixed(): return exported(4)
    def training():
        images = torch.zeros(2, 1, 28, 28)
        return torch.export.export(plain().train(), (images,), dynamic_shapes=ANY)
    def graph(): return torch.fx.symbolic_trace(plain())
"""
KINDS = ["script", "trace", "frozen", "exported", "module", "inside", "graph"]


# torch deprecates TorchScript; archives and factories that use it stay
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_is_the_network_that_it_was_made_from(module, digits: Images, kind: str) -> None:
    module("mine", PROGRAMS)
    expected = given_network(Spec("mine:plain"), GREY, 10).network
    given = given_network(Spec(f"mine:{kind}"), GREY, 10)
    x = torch.from_numpy(digits[:5].x)
    y = torch.from_numpy(digits[:5].y)
    plain, program = (Classifier(n, GREY, 10) for n in (expected, given.network))
    for count in (1, 2, 5):
        assert torch.allclose(program.logits(x[:count]), plain.logits(x[:count]), atol=1e-5)
    gradient = program.input_gradient(x, y)
    assert gradient.abs().max() > 0
    assert torch.allclose(gradient, plain.input_gradient(x, y), atol=1e-6)
    # ART's own attacks go through these
    assert np.allclose(
        program.loss_gradient(x.numpy(), np.eye(10)[y]),
        plain.loss_gradient(x.numpy(), np.eye(10)[y]),
        atol=1e-6,
    )
    assert np.allclose(program.predict(x.numpy()), plain.predict(x.numpy()), atol=1e-5)
    check_wrapped(given.network, digits, "mine")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["[2.0]", "torch.relu"])
def test_another_program_with_the_same_weights_is_another_network(
    module, kind: str, change: str
) -> None:
    found = []
    other = {"[2.0]": "[3.0]", "torch.relu": "torch.tanh"}
    for name, text in (("mine", PROGRAMS), ("mine2", PROGRAMS.replace(change, other[change]))):
        module(name, text)
        network = given_network(Spec(f"{name}:{kind}"), GREY, 10).network
        found.append((weights_hash(network), [program_sha256(p) for p in programs_in(network)]))
    assert found[0] != found[1]
    assert found[0][0] == found[1][0] or kind == "graph"  # its constants are buffers
    again = given_network(Spec(f"mine:{kind}"), GREY, 10)
    assert again.sha256 == given_network(Spec(f"mine:{kind}"), GREY, 10).sha256


def test_one_exported_for_a_number_of_images_is_told(module) -> None:
    module("mine", PROGRAMS)
    network = given_network(Spec("mine:fixed"), GREY, 10).network
    with pytest.raises(InputError, match="exported for one number of images") as told:
        check_fit(network, GREY, 10, "mine:fixed")
    assert "\n" not in str(told.value)


def test_one_exported_in_training_mode_is_told(module, digits: Images) -> None:
    module("mine", PROGRAMS)
    network = given_network(Spec("mine:training"), GREY, 10).network
    with pytest.raises(InputError, match=r"again|batch"):
        check_wrapped(network, digits, "mine:training")


SAVE: dict[str, Callable[[nn.Module, Path], None]] = {
    "net.pt": lambda net, path: torch.jit.save(torch.jit.script(net), path),
    "net.pt2": lambda net, path: torch.export.save(
        torch.export.export(net, (torch.zeros(2, 4),)), path
    ),
}


@pytest.mark.parametrize("name", SAVE)
def test_an_archive_of_a_program_is_code(tmp_path: Path, name: str) -> None:
    net = nn.Sequential(nn.Linear(4, 3)).eval()
    SAVE[name](net, tmp_path / name)
    with pytest.raises(InputError, match=r"refused, it is a.* archive.*returns torch\.\w+\.load"):
        read_weights(tmp_path / name)
    state = read_weights(tmp_path / name, trust_pickle=True)
    assert torch.equal(state["0.weight"], net[0].weight)


class WritesWhenLoaded(nn.Module):
    """TorchScript that makes a file when an archive of it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.weight, self.path = torch.zeros(2), path

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, str, bool]:
        return self.weight, self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, bool]) -> None:
        _, self.path, self.training = state
        self.weight = torch.from_file(self.path, shared=True, size=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_loading_an_archive_would_run_its_code(tmp_path: Path) -> None:
    """Why archives need trust: TorchScript writes files as it is loaded."""
    ran, path = tmp_path / "ran", tmp_path / "net.pt"
    torch.jit.save(torch.jit.script(WritesWhenLoaded(str(ran))), path)
    ran.unlink(missing_ok=True)
    with pytest.raises(InputError, match="a TorchScript archive, a program"):
        read_weights(path)
    assert not ran.exists()
    with pytest.raises(InputError, match="holds no state dict"):
        read_weights(path, trust_pickle=True)
    assert ran.exists()


@pytest.mark.parametrize("kind", ["script", "exported"])
def test_programs_run(bench, module, tmp_path: Path, kind: str) -> None:
    module("mine", PROGRAMS)
    options = ("--samples", "20", "--attack", "fgsm:eps=0.1", "--attack", "pgd:eps=0.1,max_iter=2")
    tables = []
    for name in ("plain", kind):
        out = tmp_path / name
        code, text = bench(
            "run", "--network", f"mine:{name}", "--dataset", "digits", *options, "--out", str(out)
        )
        assert code == 0, text
        tables.append(read_results(out).sort_values(["attack", "defence"]))
    plain, program = tables
    assert plain["clean_accuracy"].tolist() == program["clean_accuracy"].tolist()
    assert np.allclose(
        plain["accuracy"].astype(float), program["accuracy"].astype(float), atol=0.051
    )


def test_parameters_reach_a_factory_of_programs(module) -> None:
    module("mine", PROGRAMS)
    assert given_network(parse_spec("mine:exported:batch=2"), GREY, 10) is not None
