"""Networks of others: how they are named, made, filled with weights, and refused."""

from __future__ import annotations

import importlib
import linecache
import re
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmark.grids.expand import entry_of
from benchmark.grids.model import Grid
from benchmark.grids.names import labels
from estimators import plugins
from estimators.errors import InputError
from estimators.networks import given
from estimators.networks.build import build_network
from estimators.networks.families import _name_autoattack
from estimators.networks.given import given_network, is_given
from estimators.networks.input_layers import GreyToColour, Normalise
from estimators.networks.weight_files import weights_hash
from estimators.spec import Spec, parse_spec
from estimators.training.checkpoints import load_checkpoint, save_checkpoint, shipped_file
from estimators.training.train_or_load import train_or_load, trained_network
from reports.results.read_write import read_results

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
NETWORKS = """
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self, classes, shape, width=4):
            super().__init__()
            self.layer = nn.Linear(shape[0] * shape[1] * shape[2], classes)
        def forward(self, x):
            return self.layer(x.flatten(1))

    def simple():
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    def anything(shape, **params):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, params.get("outputs", 10)))

    def half():
        return simple().half()

    def frozen():
        return simple().requires_grad_(False)

    def nothing():
        return None

    def fails():
        raise KeyError("weights of mine")

    made = simple()
    number = 3
"""


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("torchvision:resnet18", Spec("torchvision:resnet18")),
        ("timm:resnet18.a1_in1k", Spec("timm:resnet18.a1_in1k")),
        ("pkg.mod:factory", Spec("pkg.mod:factory")),
        ("pkg.mod:factory:depth=3", Spec.of("pkg.mod:factory", depth=3)),
        ("torchvision:vgg11:weights=none", Spec.of("torchvision:vgg11", weights="none")),
        ("f:g:weights=c:/w.pt,depth=2", Spec.of("f:g", weights="c:/w.pt", depth=2)),
        ("lenet:weights=a:b.pt", Spec.of("lenet", weights="a:b.pt")),
        ("f:g:mean=[0.1,0.2],std=[1,2]", Spec.of("f:g", mean=[0.1, 0.2], std=[1, 2])),
        ("f:g:a=[1,2],b=x", Spec.of("f:g", a=[1, 2], b="x")),
        ("cnn:dropout=[0,0,0,0.5]", Spec.of("cnn", dropout=[0, 0, 0, 0.5])),
        ("lenet:extra_layers=4", Spec.of("lenet", extra_layers=4)),
    ],
)
def test_how_they_are_named(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec
    # through a grid and back: a list of the command line is one value
    grid = Grid(name="g", networks=[entry_of(spec)], attacks=[{"name": "fgsm", "eps": 0.1}])
    assert {cell.network for cell in grid.cells()} == {spec}


@pytest.mark.parametrize(
    "value", ["{a: 1}", "[[1]]", "2020-01-01", "2020-99-99", "[" * 5000, "!!x y"]
)
def test_values_that_are_none(value: str) -> None:
    with pytest.raises(InputError, match="the value of eps"):
        parse_spec(f"pgd:eps={value}")


@pytest.mark.parametrize("text", ["pgd:0.1", "a:b:c", "a:b:c=1,d", "a::b", "a:0:b=1"])
def test_how_they_are_not_named(text: str) -> None:
    with pytest.raises(InputError, match="NAME:PARAMETER=VALUE"):
        parse_spec(text)


@pytest.mark.parametrize("name", ["Own", "Own:width=8", "simple", "anything:outputs=10", "made"])
def test_what_makes_a_network(module, name: str) -> None:
    module("mine", NETWORKS)
    spec = parse_spec(f"mine:{name}")
    assert is_given(spec)
    trained = given_network(spec, GREY, 10)
    assert trained.network(torch.rand(2, *GREY)).shape == (2, 10)
    assert not trained.network.training
    assert trained.path.name == "mine.py" or name == "made"
    # random weights are the same ones each time, so that a run can be continued
    assert trained.sha256 == given_network(spec, GREY, 10).sha256


def test_the_rules_of_evaluation_are_part_of_an_external_network(
    module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells that were judged by older rules are computed again; those of our networks stay."""
    module("mine", NETWORKS)
    save_file(build_network(Spec("lenet"), GREY, 10).state_dict(), "w.safetensors")
    specs = [Spec("mine:simple"), Spec.of("lenet", weights="w.safetensors")]
    before = [given_network(spec, GREY, 10).sha256 for spec in specs]
    monkeypatch.setattr(given, "EVALUATION", given.EVALUATION + 1)
    after = [given_network(spec, GREY, 10).sha256 for spec in specs]
    assert before[0] != after[0]
    assert before[1] == after[1]


WRONG_KEYS = {
    "mine:simple:weights_key=a": "weights_key needs weights=FILE",
    "mine:simple:weights=w.pt,weights_key=best": "names no state dict; it holds model .*, ema ",
    "mine:simple:weights=w.pt": "holds 2 state dicts, model .*, ema .*weights_key=ema",
}


@pytest.mark.parametrize("text", WRONG_KEYS)
def test_the_key_of_a_state_dict(bench, module, text: str) -> None:
    module("mine", NETWORKS)
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).state_dict())
    torch.save({"model": states[0], "ema": states[1]}, "w.pt")
    options = ("--attack", "noise:eps=0.1", "--samples", "10", "--out", "r")
    code, out = bench("run", "--network", text, *options)
    assert code == 2
    assert re.search(WRONG_KEYS[text], out), out
    assert len(out.strip().splitlines()) == 1
    spec = parse_spec("mine:simple:weights=w.pt,weights_key=ema")
    trained = given_network(spec, GREY, 10)
    assert torch.equal(trained.network[1].weight, states[1]["1.weight"])
    assert trained.metadata["recipe"] == "mine:simple, weights from w.pt (ema)"


def test_a_key_without_weights_is_no_training() -> None:
    with pytest.raises(InputError, match="weights_key needs weights=FILE"):
        build_network(Spec.of("lenet", weights_key="ema"), GREY, 10)


def test_weights_of_a_colour_network_for_grey_images(tmp_path: Path) -> None:
    """The layer that copies grey to colour is the harness's; the file does not know it."""
    from torchvision import models

    made = models.squeezenet1_1(weights=None, num_classes=7).eval()
    save_file(made.state_dict(), tmp_path / "w.safetensors")
    spec = Spec.of("torchvision:squeezenet1_1", weights=str(tmp_path / "w.safetensors"))
    x = torch.rand(2, 1, 64, 64)
    network = given_network(spec, (1, 64, 64), 7).network
    assert torch.allclose(network(x), made(x.expand(-1, 3, -1, -1)), atol=1e-5)


def test_layers_that_take_their_shape_from_a_file(module, tmp_path: Path) -> None:
    module(
        "lazy",
        """
        from torch import nn
        def net(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        """,
    )
    source = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    torch.save(source.state_dict(), tmp_path / "w.pt")
    network = given_network(Spec.of("lazy:net", weights=str(tmp_path / "w.pt")), GREY, 10).network
    assert torch.equal(network[1].weight, source[1].weight)


def test_a_relative_file_and_a_family_are_no_code_to_import() -> None:
    """`npz:own.npz` looks like `package.module:thing`; so does `torchvision:resnet18`."""
    used = {
        "datasets": [Spec("npz:own.npz")],
        "networks": [Spec("torchvision:resnet18"), Spec("timm:resnet18.a1_in1k")],
    }
    assert labels(used)["datasets"] is not None


def test_the_random_stream_of_the_caller_stays(module) -> None:
    module("mine", NETWORKS)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    given_network(Spec("mine:simple"), GREY, 10)
    assert torch.equal(torch.rand(3), expected)


def test_half_precision_becomes_float32(module) -> None:
    module("mine", NETWORKS)
    network = given_network(Spec("mine:half"), GREY, 10).network
    assert {p.dtype for p in network.parameters()} == {torch.float32}


FAULTS = {
    "mine:nothing": "expected a torch.nn.Module from its factory, got NoneType",
    "mine:fails": r"its factory failed \(KeyError: 'weights of mine'\)",
    "mine:number": "expected a factory of networks or a torch.nn.Module, got int",
    "mine:simple:depth=3": "unknown parameter of the network mine:simple 'depth'",
    "mine:made:depth=3": "a ready module takes no parameters",
    "mine:simpel": r"mine has no attribute 'simpel' \(did you mean 'simple'",
    "absent:thing": "No module named 'absent'",
    "mine:simple:weights=7": "weights must be a file, DEFAULT or none",
    "mine:simple:weights=nowhere.pt": "weights nowhere.pt: no such file",
    "torchvision:resnet8": "no network of this name; near: resnet",
    "torchvision:resnet18:weights=none,depth=3": "torchvision:resnet18",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_are_told_in_one_line(module, text: str) -> None:
    module("mine", NETWORKS)
    with pytest.raises(InputError, match=FAULTS[text]) as told:
        given_network(parse_spec(text), GREY, 10)
    assert "\n" not in str(told.value)


CHANGES = {
    "a class's forward": ("mine:Own", "x.flatten(1)", "1.0 - x.flatten(1)"),
    "a layer": ("mine:rectified", "nn.ReLU()", "nn.Tanh()"),
    "a factory": ("mine:scaled", "* 0.5", "* 0.25"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_changed_code_is_another_network(module, case: str) -> None:
    """The weights are the same; a stored cell must not count for the new code."""
    name, before, after = CHANGES[case]
    text = textwrap.dedent(NETWORKS) + textwrap.dedent("""
        def rectified():
            return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU())

        def scaled():
            network = simple()
            network.register_forward_pre_hook(lambda _, inputs: (inputs[0] * 0.5,))
            return network
    """)
    found = []
    for source in (text, text, text.replace(before, after)):
        sys.modules.pop("mine", None)
        plugins._load.cache_clear()
        linecache.clearcache()
        module("mine", source)
        found.append(given_network(Spec(name), GREY, 10))
    weights = {weights_hash(trained.network) for trained in found}
    assert len(weights) == 1
    assert found[0].sha256 == found[1].sha256 != found[2].sha256


def test_torchvision_without_weights_for_grey_and_colour() -> None:
    spec = Spec.of("torchvision:squeezenet1_1", weights="none")
    for shape in ((1, 32, 32), COLOUR):
        network = given_network(spec, shape, 7).network
        assert network(torch.rand(2, *shape)).shape == (2, 7)
        assert any(isinstance(m, GreyToColour) for m in network.modules()) == (shape[0] == 1)
    # its own weights are not asked for when it is trained
    assert build_network(Spec("torchvision:squeezenet1_1"), COLOUR, 7) is not None


def test_torchvision_with_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloaded weights come with their normalisation; offline, the way out is named."""
    from torchvision import models

    real, asked = models.get_model, []

    def offline(name: str, weights: object = None, **options: object) -> nn.Module:
        if weights is not None:
            raise OSError("no route to host")
        return real(name, weights=None, **options)

    def online(name: str, weights: object = None, **options: object) -> nn.Module:
        asked.append(weights)
        return real(name, weights=None, **options)

    spec = Spec("torchvision:squeezenet1_1")
    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(InputError, match="name a file with --weights, or train it first") as told:
        given_network(spec, COLOUR, 10)
    assert "no route to host" in str(told.value)
    monkeypatch.setattr(models, "get_model", online)
    network = given_network(spec, COLOUR, 1000).network
    assert asked == [models.get_model_weights("squeezenet1_1").DEFAULT]
    assert isinstance(network[0], Normalise)
    assert network[0].mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    own = given_network(Spec.of(spec.name, mean=0.5), COLOUR, 1000).network
    assert own[0].mean.flatten().tolist() == [0.5] * 3
    assert own[0].std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])


@pytest.mark.parametrize("extra", ["timm", "robustbench"])
def test_extras_that_are_not_there(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    for name in (extra, f"{extra}.utils"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"pip install '.\[{extra}\]'"):
        given_network(Spec(f"{extra}:anything"), COLOUR, 10)


def test_extras_that_do_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed, but something that it imports is not there: another line than not installed."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "robustbench"]:
        monkeypatch.delitem(sys.modules, name)
    package = Path("robustbench")
    package.mkdir()
    (package / "__init__.py").write_text("import mine_absent")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    with pytest.raises(InputError, match=r"installed but cannot be imported .*'mine_absent'"):
        given_network(Spec("robustbench:anything"), COLOUR, 10)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_timm_itself(tmp_path: Path, suffix: str) -> None:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    made = timm.create_model("resnet10t", num_classes=7)
    path = tmp_path / f"w.{suffix}"
    if suffix == "pth":
        state = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
        torch.save({"state_dict": state}, path)
    else:
        save_file(made.state_dict(), path)
    x = torch.rand(2, *COLOUR)
    given = given_network(Spec.of("timm:resnet10t", weights=str(path)), COLOUR, 7)
    assert torch.equal(given.network(x), made.eval()(x))
    assert given_network(Spec.of("timm:resnet10t", weights="none"), GREY, 5) is not None
    with pytest.raises(InputError, match=r"no network of this name; near: .*resnet18"):
        given_network(Spec("timm:resnet180"), COLOUR, 7)


def test_robustbench_itself(tmp_path: Path) -> None:
    """A checkpoint of random weights where RobustBench looks before it downloads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _name_autoattack()
            importlib.import_module("robustbench.utils")
    except ImportError as error:
        pytest.skip(f"the extra robustbench is not installed ({error})")
    with pytest.raises(InputError, match="has no network of this name"):
        given_network(Spec("robustbench:Nobody2020"), COLOUR, 10)
    from robustbench.model_zoo.cifar10 import Wong2020FastNet

    made = Wong2020FastNet()
    folder = tmp_path / "cache" / "weights" / "robustbench" / "cifar10" / "Linf"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(made.state_dict(), folder / "Wong2020Fast.pt")
    given = given_network(Spec("robustbench:Wong2020Fast"), COLOUR, 10)
    x = torch.rand(2, *COLOUR)
    assert torch.equal(given.network(x), made.eval()(x))
    torch.save(Path, folder / "Wong2020Fast.pt")  # a pickle that wants more than tensors
    with pytest.raises(InputError, match="UnpicklingError"):
        given_network(Spec("robustbench:Wong2020Fast"), COLOUR, 10)


def test_robustbench_by_its_documented_interface(
    module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in with the signature of RobustBench's load_model, where the zoo is not installed."""
    (module("mine_empty", "") / "robustbench").mkdir()
    (module("mine_empty", "") / "robustbench" / "__init__.py").write_text("")
    (module("mine_empty", "") / "robustbench" / "utils.py").write_text(
        "from torch import nn\n"
        "def load_model(model_name, model_dir='.', dataset='cifar10', threat_model='Linf'):\n"
        "    if model_name == 'Offline': raise OSError('no route')\n"
        "    if model_name != 'Known': raise KeyError(model_name)\n"
        "    open(model_dir / f'{dataset}-{threat_model}', 'w').close()\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
    )
    for name in [n for n in sys.modules if n.partition(".")[0] == "robustbench"]:
        monkeypatch.delitem(sys.modules, name)
    folder = tmp_path / "cache" / "weights" / "robustbench"
    folder.mkdir(parents=True)
    trained = given_network(Spec.of("robustbench:Known", threat_model="L2"), COLOUR, 10)
    assert trained.network(torch.rand(2, *COLOUR)).shape == (2, 10)
    assert [p.name for p in folder.iterdir()] == ["cifar10-L2"]
    with pytest.raises(InputError, match="robustbench has no network of this name"):
        given_network(Spec("robustbench:Unknown"), COLOUR, 10)
    with pytest.raises(InputError, match=r"OSError.*put its checkpoint at .*/Linf/Offline.pt"):
        given_network(Spec("robustbench:Offline"), COLOUR, 10)
    with pytest.raises(InputError, match="unknown parameter"):
        given_network(Spec.of("robustbench:Known", norm="L2"), COLOUR, 10)
    with pytest.raises(InputError, match="only trained networks"):
        given_network(Spec.of("robustbench:Known", weights="none"), COLOUR, 10)


def test_weights_for_a_network_of_ours(tmp_path: Path) -> None:
    shipped = load_checkpoint(shipped_file("digits", Spec("lenet")))
    save_file(shipped.network.state_dict(), tmp_path / "w.safetensors")
    spec = Spec.of("lenet", weights=str(tmp_path / "w.safetensors"))
    given = trained_network("digits", spec)
    assert torch.equal(given.network.layers[0].weight, shipped.network.layers[0].weight)
    assert given.metadata["recipe"] == "lenet, weights from w.safetensors"
    with pytest.raises(InputError, match="leave out weights"):
        train_or_load("digits", spec, 1, 0)


@pytest.mark.parametrize("params", [{}, {"mean": 0.3, "std": 0.5}])
def test_train_then_load(module, tmp_path: Path, params: dict[str, float]) -> None:
    module("mine", NETWORKS)
    spec, out = Spec.of("mine:simple", params), tmp_path / "w.safetensors"
    trained = train_or_load("digits", spec, 1, 0, out=out)
    assert not trained.reused
    assert train_or_load("digits", spec, 1, 0, out=out).reused
    given = given_network(Spec.of(spec.name, spec.kwargs, weights=str(out)), GREY, 10)
    x = torch.rand(4, *GREY)
    assert torch.equal(given.network(x), trained.network(x))
    with pytest.raises(InputError, match="has no weights that train"):
        train_or_load("digits", Spec("mine:frozen"), 1, 0)


def test_a_checkpoint_imports_nothing_on_its_own_word(module, tmp_path: Path) -> None:
    module("mine", f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    metadata = {"network": ["mine:simple", {}], "shape": [1, 28, 28], "classes": list("0123456789")}
    save_checkpoint(nn.Linear(2, 2), metadata, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="was not asked for"):
        load_checkpoint(tmp_path / "w.safetensors")
    assert not (tmp_path / "ran").exists()


def test_from_the_command_line(bench, module, tmp_path: Path) -> None:
    module("mine", NETWORKS)
    name = "mine:Own:mean=[0.2]"
    options = ("--dataset", "digits", "--out", "w.safetensors", "--epochs", "2")
    code, out = bench("train", "--network", name, *options)
    assert code == 0, out
    run = ("run", "--network", name, "--samples", "20", "--attack", "fgsm:eps=0.1", "--out", "r")
    code, out = bench(*run, "--weights", "w.safetensors")
    assert code == 0, out
    assert "not trained here, used as it is (mine:Own, weights from w.safetensors" in out
    rows = read_results(tmp_path / "r")
    assert set(rows["network"]) == {"mine:Own[mean=[0.2],weights=w.safetensors]"}
    assert rows["clean_accuracy"].min() > 0.5
    code, out = bench(*run, "--weights", "w.safetensors")
    assert f"reused {len(rows)} of {len(rows)}" in out


def test_a_warning_is_shown_and_audited(bench, module, tmp_path: Path) -> None:
    module("mine", NETWORKS)
    code, out = bench(
        "run",
        "--network",
        "mine:simple",
        "--samples",
        "10",
        "--attack",
        "noise:eps=0.1",
        "--out",
        "r",
    )
    assert code == 0, out
    assert "warning: network mine:simple on digits" in out
    assert "which is chance" in (tmp_path / "r" / "audit.csv").read_text()


BAD_LINES = {
    "two networks": (
        ["--network", "lenet", "--network", "cnn", "--weights", "w.pt"],
        "needs exactly one --network",
    ),
    "no network": (["--weights", "w.pt"], "needs exactly one --network"),
    "classes": (["--network", "soft:seven"], "the data have 10 classes"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_command_lines(bench, module, tmp_path: Path, case: str) -> None:
    module(
        "soft",
        """
        from torch import nn
        def seven(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 7))
        """,
    )
    options, message = BAD_LINES[case]
    code, out = bench("run", *options)
    assert code == 2, out
    assert message in out
    assert len(out.strip().splitlines()) == 1, out
    assert not (tmp_path / "reports").exists()
