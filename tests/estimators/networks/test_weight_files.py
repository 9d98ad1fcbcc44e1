"""Weights of others: read as data, never run; what does not fit is named."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from estimators.errors import InputError
from estimators.networks.files.fitting import load_into
from estimators.networks.weight_files import read_weights


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


class Malicious:
    """Pickles to a program that writes a file when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.target}'",)


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in small().state_dict().items()}


STATES = {
    "state dict": lambda: small().state_dict(),
    "plain dict": lambda: dict(small().state_dict()),
    "in a dictionary": lambda: {"epoch": 3, "state_dict": small().state_dict(), "lr": 0.1},
    "DataParallel": lambda: prefixed("module."),
    "compiled": lambda: prefixed("_orig_mod."),
    "Lightning": lambda: {"state_dict": prefixed("model.")},
    "compiled DataParallel": lambda: prefixed("_orig_mod.module."),
}


@pytest.mark.parametrize("case", STATES)
def test_what_is_read(tmp_path: Path, case: str) -> None:
    torch.manual_seed(1)
    content = STATES[case]()
    torch.save(content, tmp_path / "w.pt")
    inner = content.get("state_dict", content)
    network = small()
    load_into(network, read_weights(tmp_path / "w.pt"), "weights w.pt")
    assert torch.equal(network[1].weight, next(iter(inner.values())))


def test_safetensors(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, network = small(), small()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_into(network, read_weights(tmp_path / "w.safetensors"), "weights")
    assert torch.equal(network[1].weight, source[1].weight)


def test_a_prefix_of_the_network_stays() -> None:
    network = nn.Module()
    network.model = nn.Linear(2, 2)
    load_into(network, {k: torch.ones_like(v) for k, v in network.state_dict().items()}, "w")
    assert network.model.weight.eq(1).all()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin"])
def test_a_malicious_pickle_does_not_run(tmp_path: Path, name: str, protocol: int) -> None:
    ran, path = tmp_path / "ran", tmp_path / name
    torch.save({"state_dict": Malicious(ran)}, path, pickle_protocol=protocol)
    with pytest.raises(InputError, match=r"refused.*could run any code.*--trust-pickle") as told:
        read_weights(path)
    # protocol 4 is refused before its names are read
    assert protocol == 4 or "asks for posix.system" in str(told.value) or os.name != "posix"
    assert not ran.exists()
    # the same bytes do run once they are trusted: the test can tell
    with pytest.raises(InputError, match="holds no state dict"):
        read_weights(path, trust_pickle=True)
    assert ran.exists()


def test_a_whole_module_needs_trust(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, network = small(), small()
    torch.save(source, tmp_path / "whole.pt")
    with pytest.raises(InputError, match=r"refused, the pickle asks for torch\.nn"):
        read_weights(tmp_path / "whole.pt")
    load_into(network, read_weights(tmp_path / "whole.pt", trust_pickle=True), "weights")
    assert torch.equal(network[1].weight, source[1].weight)


def test_the_command_line_refuses_and_trusts(bench, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save(Malicious(ran), tmp_path / "w.pt")
    options = ("run", "--network", "lenet", "--weights", "w.pt", "--attack", "noise:eps=0.1")
    code, out = bench(*options, "--samples", "10")
    assert code == 2
    assert "refused" in out
    assert len(out.strip().splitlines()) == 1
    assert not ran.exists()
    code, out = bench(*options, "--samples", "10", "--trust-pickle")
    assert code == 2
    assert "holds no state dict" in out
    assert ran.exists()


def test_a_grid_file_cannot_trust(bench, tmp_path: Path) -> None:
    torch.save(Malicious(tmp_path / "ran"), tmp_path / "w.pt")
    (tmp_path / "g.yaml").write_text(
        "{networks: [{name: lenet, weights: w.pt, trust_pickle: true}],"
        " attacks: [{name: fgsm, eps: 0.1}]}"
    )
    code, out = bench("run", "--grid", "g.yaml")
    assert code == 2
    assert "'trust_pickle'" in out
    assert not (tmp_path / "ran").exists()


BAD_FILES = {
    "w.pt": (b"not a pickle", r"cannot be read, torch\.save wrote no such file"),
    "text.pt": (b"hello", r"cannot be read, torch\.save wrote no such file"),
    "empty.pt": (b"", "cannot be read, it is empty"),
    "w.safetensors": (b"not safetensors", "cannot be read"),
    "w.txt": (b"", r"expected a file \.safetensors"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        read_weights(tmp_path / name)
    assert "\n" not in str(told.value)


def test_missing_and_truncated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "nowhere.pt")
    torch.save(small().state_dict(), tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:9000])
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {}, {"state_dict": {"a": 2}}])
def test_what_is_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match="holds no state dict"):
        read_weights(tmp_path / "w.pt")


def test_mismatches_are_named() -> None:
    state = OrderedDict({"1.weight": torch.zeros(10, 3), "2.bias": torch.zeros(1)})
    with pytest.raises(InputError) as told:
        load_into(small(), state, "weights w.pt")
    assert str(told.value) == (
        "weights w.pt: does not fit the network; missing: 1.bias; not in the network: 2.bias;"
        " of another shape: 1.weight [10, 3], expected [10, 784]"
    )
    many = {f"layer{n}": torch.zeros(1) for n in range(6)}
    with pytest.raises(InputError, match="layer0, layer1, layer2 and 3 more"):
        load_into(small(), many, "w")
