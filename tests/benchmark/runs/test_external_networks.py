"""Runs with networks of others: the number that a plain loop gives, or a row that says why not."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import numpy as np
import odd_networks
import pandas as pd
import pytest
import torch
from torch import nn

from benchmark.grids.model import Grid
from benchmark.runs.finished.result import Result
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run

STEPS = 12
EPS = (0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)
N = 60


def pictures() -> torch.Tensor:
    """Smooth images whose predictions PGD can change: [N, 1, 28, 28] in 256 grey levels."""
    coarse = torch.rand(N, 1, 7, 7, generator=torch.Generator().manual_seed(2))
    fine = nn.functional.interpolate(coarse, size=(28, 28), mode="bilinear").clamp(0, 1)
    return (fine * 255).round() / 255


def data(folder: Path, network: nn.Module, floats: bool = False) -> tuple[str, torch.Tensor]:
    """Write pictures whose classes are the network's own answers: clean, each is right."""
    x = pictures()
    with torch.no_grad():
        y = network(x.clone()).argmax(1)
    pixels = x.numpy() if floats else (x * 255).round().numpy().astype(np.uint8)
    labels = {"y_test": y.numpy(), "classes": np.array(list("abcdefghij"))}
    np.savez(folder / "own.npz", x_test=pixels, **labels)
    return f"npz:{folder / 'own.npz'}", y


def pgd(eps: float = 0.1) -> dict[str, object]:
    return {"name": "pgd", "eps": eps, "eps_step": eps / 8, "max_iter": STEPS}


def still_right(network: nn.Module, y: torch.Tensor, eps: float) -> int:
    """PGD on the network itself: the number of images that stay right."""
    x = pictures()
    adv = x.clone()
    for _ in range(STEPS):
        leaf = adv.clone().requires_grad_(True)
        loss = nn.functional.cross_entropy(network(leaf.clone()), y, reduction="sum")
        adv = adv + eps / 8 * torch.autograd.grad(loss, leaf)[0].sign()
        adv = torch.min(torch.max(adv, x - eps), x + eps).clamp(0, 1)
    with torch.no_grad():
        return int((network(adv.clone()).argmax(1) == y).sum())


def measured(
    folder: Path, dataset: str, *networks: str, eps: float = 0.1, **options: object
) -> Result:
    grid = Grid(
        name="odd",
        datasets=[dataset],
        networks=list(networks),
        attacks=[pgd(eps)],
        threats=["oblivious"],
        defences=["none"],
        samples="all",
    )
    return run(grid, RunOptions(out=folder / "run", **options))


# each network, and the twin that is right
RIGHT = {
    "conv_hook": odd_networks.conv_hook,
    "subclass_conv": odd_networks.subclass_conv,
    "inner_output": odd_networks.inner_output,
    "pruned": odd_networks.pruned,
    "weight_norm": odd_networks.weight_norm,
    "old_weight_norm": odd_networks.old_weight_norm,
    "spectral_norm": odd_networks.spectral_norm,
    "in_place": odd_networks.in_place_copied,
    "in_place_view": odd_networks.in_place_view_copied,
    "view_behind_conv": odd_networks.plain,
    "prints": odd_networks.plain,
    "remembers": odd_networks.remembers,
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_number_of_a_plain_loop(tmp_path: Path, name: str, capfd) -> None:
    twin = RIGHT[name]()
    dataset, y = data(tmp_path, twin, floats=name == "in_place")
    answers = {eps: still_right(twin, y, eps) for eps in EPS}
    # one that tells a wrong network from the right one
    eps, expected = min(answers.items(), key=lambda answer: abs(answer[1] - N / 2))
    assert 5 < expected < N - 5, answers
    table = measured(tmp_path, dataset, f"odd_networks:{name}", eps=eps, threads=2).table
    assert list(table["status"]) == ["ok"], list(table["reason"])
    assert list(table["clean_correct"]) == [N]
    # rounding in another memory layout may turn an image on the border
    assert abs(int(table["correct"].iloc[0]) - expected) <= 1
    assert capfd.readouterr().out == ""


def test_the_layout_is_said_once(tmp_path: Path) -> None:
    from benchmark.execution.progress import Progress

    said: list[str] = []
    dataset, _ = data(tmp_path, odd_networks.plain())
    name = "odd_networks:view_behind_conv"
    measured(tmp_path, dataset, name, progress=Progress(message=said.append))
    assert sum("channels-last" in text for text in said) == 1
    assert "channels-last" in (tmp_path / "run" / "manifest.json").read_text()


FAILED = {
    "raises_for_some": "RuntimeError: too bright",
    "raises": "ValueError: no such mode",
    "recurses": "RecursionError: maximum recursion depth",
    "exits": "SystemExit: 0, raised in its forward",
    "interrupts": "KeyboardInterrupt, raised in its forward",
    "interrupts_for_many": "KeyboardInterrupt, raised in its forward",
    "raises_backwards": "SystemExit: 0",
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_row_says_why(tmp_path: Path, name: str) -> None:
    """The cells of other networks are computed."""
    dataset, _ = data(tmp_path, odd_networks.plain())
    before = signal.getsignal(signal.SIGINT)
    result = measured(tmp_path, dataset, f"odd_networks:{name}", "odd_networks:plain", threads=1)
    assert signal.getsignal(signal.SIGINT) is before
    assert list(result.table["status"]) == ["failed", "ok"]
    (reason,) = result.failed["reason"]
    assert reason.startswith(FAILED[name])
    assert FAILED[name] in (tmp_path / "run" / "failures.log").read_text()


def test_exit_codes_and_tables(bench, tmp_path: Path) -> None:
    dataset, _ = data(tmp_path, odd_networks.plain())
    options = ("--dataset", dataset, "--attack", "fgsm:eps=0.1", "--samples", "20", "--out", "r")
    options += ("--replace",)
    code, out = bench("run", "--network", "odd_networks:exits", *options)
    assert code == 4, out
    assert "SystemExit: 0" in (tmp_path / "r" / "results.csv").read_text()
    # in the checks too, which run in the main thread: it is not the user's Ctrl-C
    code, out = bench("run", "--network", "odd_networks:interrupts_for_many", *options)
    assert code == 4, out
    assert "raises for some images (KeyboardInterrupt, raised in its forward" in out
    code, out = bench("run", "--network", "odd_networks:recurses", *options)
    assert code == 4, out
    assert "raises for every image tried (RecursionError: maximum recursion depth" in out
    code, out = bench("run", "--network", "odd_networks:raises_once", *options)
    assert code == 0, out
    for name, message in {
        "int_output": "returns int32 outputs, which have no gradient",
        "wants_colour": "it takes 3 x 28 x 28: build it for 1 channel",
    }.items():
        code, out = bench("run", "--network", f"odd_networks:{name}", *options)
        assert code == 2, out
        assert message in out
        assert len(out.strip().splitlines()) == 1, out


def test_half_outputs_run_and_are_named(bench, tmp_path: Path) -> None:
    dataset, _ = data(tmp_path, odd_networks.plain())
    options = ("--dataset", dataset, "--attack", "fgsm:eps=0.1", "--samples", "20", "--out", "r")
    code, out = bench("run", "--network", "odd_networks:half_output", *options)
    assert code == 0, out
    assert "float16 outputs, read as float32" in out


WAITS = """
    from pathlib import Path
    from odd_networks import around

    def forward(layers, x):
        if not Path("ready").exists():
            raise KeyboardInterrupt
        return layers(x)

    def net():
        return around(forward)
"""


def test_a_failed_cell_stays_failed_until_it_is_retried(bench, module, tmp_path: Path) -> None:
    module("waits", WAITS)
    dataset, _ = data(tmp_path, odd_networks.plain())
    networks = ("--network", "waits:net", "--network", "odd_networks:plain")
    options = (*networks, "--attack", "fgsm:eps=0.1", "--samples", "20", "--out", "r")
    command = ("run", "--dataset", dataset, *options)
    code, out = bench(*command)
    assert code == 4, out
    path = tmp_path / "r" / "results.csv"
    table = pd.read_csv(path)
    waiting = table["network"] == "waits:net"
    assert set(table[waiting]["status"]) == {"failed"} and set(table[~waiting]["status"]) == {"ok"}
    assert set(table[waiting]["reason"].str.partition(",")[0]) == {"KeyboardInterrupt"}
    # the same command again is no success either, and changes nothing
    before = path.read_bytes()
    code, out = bench(*command)
    assert code == 4 and "KeyboardInterrupt" in out
    assert path.read_bytes() == before
    (tmp_path / "ready").touch()
    assert bench(*command)[0] == 4
    code, out = bench(*command, "--retry-failed")
    assert code == 0, out
    again = pd.read_csv(path)
    assert set(again["status"]) == {"ok"}
    # twins on the same images
    assert list(again[waiting]["correct"]) == list(again[~waiting]["correct"])


LEAVES = {
    "sys.exit at import": "import sys; sys.exit()",
    "KeyboardInterrupt at import": "raise KeyboardInterrupt",
    "sys.exit": "def net():\n    raise SystemExit",
    "KeyboardInterrupt": "def net():\n    raise KeyboardInterrupt",
    "recursion": "def net():\n    return net()",
}


@pytest.mark.parametrize("text", LEAVES.values(), ids=LEAVES)
def test_an_exit_outside_forward_is_one_line(bench, module, text: str) -> None:
    """When the code is imported, or when the factory is called."""
    module("leaves", text)
    code, out = bench("run", "--network", "leaves:net", "--samples", "10")
    assert code == 2, out
    assert "Error: network" in out
    assert any(kind in out for kind in ("SystemExit", "KeyboardInterrupt", "RecursionError"))
    assert len(out.strip().splitlines()) == 1, out


def test_certificates_of_a_network_that_raises(bench, tmp_path: Path) -> None:
    dataset, _ = data(tmp_path, odd_networks.plain())
    networks = ("--network", "odd_networks:raises", "--network", "odd_networks:plain")
    options = (*networks, "--attack", "fgsm:eps=0.01", "--samples", "3", "--out", "r")
    code, out = bench("run", "--dataset", dataset, *options, "--certify", "ibp")
    assert code == 4, out
    table = pd.read_csv(tmp_path / "r" / "results.csv", keep_default_na=False)
    raised = table["network"] == "odd_networks:raises"
    assert set(table[raised]["status"]) == {"failed"} and set(table[~raised]["status"]) == {"ok"}
    assert (table[raised]["proved"] == "").all() and (table[~raised]["proved"] != "").any()
    assert "certificate" in out and "ValueError: no such mode" in out


@pytest.mark.parametrize("name", ["exits", "raises_for_some"])
def test_studies_refuse_in_one_line(bench, tmp_path: Path, name: str) -> None:
    dataset, _ = data(tmp_path, odd_networks.plain())
    path = tmp_path / "own.npz"
    arrays = dict(np.load(path))
    bright = np.full_like(arrays["x_test"], 250)
    np.savez(path, **(arrays | {"x_test": bright}))
    options = ("--dataset", dataset, "--network", f"odd_networks:{name}", "--quick")
    code, out = bench("study", "noise", *options)
    assert code == 2, out
    expected = "SystemExit: 0" if name == "exits" else "RuntimeError: too bright"
    assert f"network odd_networks:{name}: {expected}" in out
    assert "Traceback" not in out


def test_training_refuses_in_one_line(bench, npz) -> None:
    path = npz(x_train=np.zeros((40, 28, 28), np.uint8), x_test=np.zeros((20, 28, 28), np.uint8))
    options = ("--dataset", f"npz:{path}", "--epochs", "1", "--out", "w.safetensors", "--force")
    code, out = bench("train", "--network", "odd_networks:exits", *options)
    assert code == 2, out
    assert "SystemExit: 0, raised in its forward" in out
    # a network of another layout, which writes into its images, trains
    for name in ("view_behind_conv", "in_place"):
        code, out = bench("train", "--network", f"odd_networks:{name}", *options)
        assert code == 0, out


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs Dask")
@pytest.mark.slow
def test_workers_of_a_cluster_give_the_same(tmp_path: Path, monkeypatch) -> None:
    """Layout, folds and failed rows reach the processes of Dask."""
    helpers = Path(odd_networks.__file__).parent
    monkeypatch.setenv("PYTHONPATH", str(helpers))
    dataset, _ = data(tmp_path, odd_networks.plain())
    networks = [f"picklable:{name}" for name in ("viewing", "exiting", "folding")]
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, options in ((here, {"threads": 1}), (there, {"workers": 1})):
        folder.mkdir()
        result = measured(folder, dataset, *networks, **options)
        assert sorted(result.table["status"]) == ["failed", "ok", "ok"]
    one, other = ((folder / "run" / "results.csv").read_bytes() for folder in (here, there))
    assert one == other


def test_a_network_that_cannot_be_copied_is_refused(bench, module) -> None:
    module(
        "locked",
        """
        import threading
        from torch import nn

        class Locked(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Flatten(), nn.Linear(784, 10))
                self.lock = threading.Lock()
        """,
    )
    code, out = bench("run", "--network", "locked:Locked", "--samples", "10")
    assert code == 2, out
    assert "network locked:Locked: cannot be copied" in out


def test_a_transfer_from_a_network_that_ends_the_program(tmp_path: Path) -> None:
    dataset, _ = data(tmp_path, odd_networks.plain())
    grid = Grid(
        name="odd",
        datasets=[dataset],
        networks=["odd_networks:plain"],
        attacks=[pgd()],
        threats=["transfer:from=odd_networks:exits"],
        defences=["none"],
        samples=20,
    )
    result = run(grid, RunOptions(out=tmp_path / "run"))
    assert list(result.table["status"]) == ["failed"]
    assert "SystemExit: 0" in result.table["reason"].iloc[0]


DEFENCES = """
    import sys
    from art.defences.preprocessor.preprocessor import Preprocessor

    class Early(Preprocessor):
        def __init__(self):
            sys.exit(0)

        def __call__(self, x, y=None):
            return x, y

    class Late(Preprocessor):
        def __init__(self):
            super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)

        def __call__(self, x, y=None):
            sys.exit(0)
"""


@pytest.mark.parametrize(("name", "expected"), [("Early", 2), ("Late", 4)])
def test_a_defence_that_ends_the_program(
    bench, module, tmp_path: Path, name: str, expected: int
) -> None:
    module("leaving", DEFENCES)
    options = ("--dataset", "digits", "--network", "lenet", "--attack", "fgsm:eps=0.1")
    defence = ("--defence", f"leaving:{name}", "--samples", "10", "--out", "r")
    code, out = bench("run", *options, *defence)
    assert code == expected, out
    assert "SystemExit" in out
    if expected == 4:
        assert "SystemExit: 0" in (tmp_path / "r" / "results.csv").read_text()


def test_the_layers_of_a_network_that_ends_the_program(bench) -> None:
    code, out = bench("summary", "--network", "odd_networks:exits", "--dataset", "digits")
    assert code == 2, out
    assert "SystemExit: 0, raised in its forward" in out
    code, out = bench("summary", "--network", "odd_networks:in_place", "--dataset", "digits")
    assert code == 0, out
    assert "Conv2d" in out and "6 x 14 x 14" in out
