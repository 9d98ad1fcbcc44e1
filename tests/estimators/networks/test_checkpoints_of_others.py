"""Checkpoints as training scripts write them: read, or refused in one line that says what is in."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from estimators.errors import InputError
from estimators.networks.files.fitting import load_into
from estimators.networks.weight_files import read_weights

Tensors = dict[str, torch.Tensor]


def network() -> nn.Module:
    """A convolution, a batch norm with its counter, and a linear layer."""
    parts = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 676, 10)
    return nn.Sequential(*parts)


def weights(seed: int = 1) -> Tensors:
    torch.manual_seed(seed)
    return dict(network().state_dict())


def prefixed(prefix: str, seed: int = 1) -> Tensors:
    return {prefix + name: tensor for name, tensor in weights(seed).items()}


def beside(**more: object) -> dict[str, object]:
    return {"state_dict": weights(), **more}


class Settings:
    """An object of the script's own."""

    def __init__(self) -> None:
        self.rate = 0.1


class Runs:
    """Pickles to a program that writes a file when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch '{self.target}'",)


def without(*endings: str) -> Tensors:
    return {k: v for k, v in weights().items() if not k.endswith(endings)}


def optimiser() -> dict[str, object]:
    made = network()
    adam = torch.optim.Adam(made.parameters())
    made(torch.rand(2, 1, 28, 28)).sum().backward()
    adam.step()
    return adam.state_dict()


READ: dict[str, Callable[[], object]] = {
    "module.": lambda: prefixed("module."),
    "_orig_mod.": lambda: prefixed("_orig_mod."),
    "model.": lambda: prefixed("model."),
    "net.": lambda: prefixed("net."),
    "model._orig_mod.module.": lambda: prefixed("model._orig_mod.module."),
    "module.net._orig_mod.": lambda: prefixed("module.net._orig_mod."),
    "a wrapped part": lambda: {k.replace("0.", "0.module."): v for k, v in weights().items()},
    "without counters": lambda: without("num_batches_tracked"),
    "AveragedModel": lambda: {"n_averaged": torch.tensor(3), **prefixed("module.")},
    "counters of a profiler": lambda: {**weights(), "0.total_ops": torch.zeros(1)},
    "NumPy scalar": lambda: beside(best=np.float64(0.9), epoch=np.int64(3)),
    "NumPy array": lambda: beside(curve=np.zeros(3)),
    "random states": lambda: beside(rng={"torch": torch.get_rng_state()}, np=np.random.get_state()),
    "options": lambda: beside(args=argparse.Namespace(lr=0.1, out=Path("runs"))),
    "times": lambda: beside(at=datetime.datetime(2024, 1, 1), seen=defaultdict(list, a=[1])),
    "an object of its own": lambda: beside(settings=Settings()),
    "a loss module": lambda: beside(loss=nn.CrossEntropyLoss()),
    "optimiser": lambda: beside(optimizer=optimiser()),
    "Lightning": lambda: {
        "state_dict": prefixed("model."),
        "hyper_parameters": {"lr": 0.1, "args": argparse.Namespace()},
        "optimizer_states": [optimiser()],
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}},
    },
    "list": lambda: [weights(), {"epoch": 3}],
    "tuple": lambda: (optimiser(), weights()),
    "nested": lambda: {"checkpoint": {"weights": {"net": weights()}}},
    "another key": lambda: {"params": weights(), "epoch": 1},
    "parameters": lambda: {k: nn.Parameter(v) if v.dim() else v for k, v in weights().items()},
    "the same one under two keys": lambda: (lambda w: {"model": w, "state_dict": w})(weights()),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("case", READ)
def test_what_is_read(tmp_path: Path, case: str, legacy: bool) -> None:
    path = tmp_path / "w.pt"
    if legacy and case == "a loss module":
        pytest.skip("old files hold the source of modules; the reader refuses these")
    torch.save(READ[case](), path, _use_new_zipfile_serialization=not legacy)
    made = network()
    load_into(made, read_weights(path), "weights w.pt")
    assert torch.equal(made[0].weight, weights()["0.weight"])
    assert torch.equal(made[3].bias, weights()["3.bias"])


@pytest.mark.parametrize(
    "name",
    ["w.pth.tar", "w.t7", "w.model", "w.pkl", "w.PTH", "w.CKPT", "w.bin", "w.v2.pt", "w.pyth"],
)
def test_the_names_of_files(tmp_path: Path, name: str) -> None:
    torch.save(weights(), tmp_path / name)
    assert torch.equal(read_weights(tmp_path / name)["0.weight"], weights()["0.weight"])


TWO = {
    "model": lambda: {"model": weights(1), "model_ema": weights(2), "epoch": 3},
    "nested": lambda: {"model": weights(1), "model_ema": {"state": 1, "module": weights(2)}},
    "list": lambda: [weights(1), weights(2)],
    "flat": lambda: {**prefixed("model.", 1), **prefixed("model_ema.", 2)},
    "tuple in a dictionary": lambda: {"x": (weights(1), {"ema": weights(2)})},
}
SECOND = {
    "model": "model_ema",
    "nested": "model_ema",
    "list": "1",
    "flat": "model_ema",
    "tuple in a dictionary": "x.1.ema",
}


@pytest.mark.parametrize("case", TWO)
def test_the_second_of_two_is_named(tmp_path: Path, case: str) -> None:
    torch.save(TWO[case](), tmp_path / "w.pt")
    if case != "flat":
        with pytest.raises(InputError, match=r"holds 2 state dicts.*name one, as in") as told:
            read_weights(tmp_path / "w.pt")
        assert "\n" not in str(told.value)
        assert f"weights_key={SECOND[case]}" in str(told.value)
    made = network()
    load_into(made, read_weights(tmp_path / "w.pt", key=SECOND[case]), "w")
    assert torch.equal(made[0].weight, weights(2)["0.weight"])
    with pytest.raises(InputError, match=r"weights_key=best names no state dict; it holds .*state"):
        read_weights(tmp_path / "w.pt", key="best")


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "numbers": (
        lambda: {"epoch": 3, "loss": 0.5},
        r"no state dict \(got a dict of epoch \(int\), loss \(float\)\)",
    ),
    "arrays": (lambda: {"w": np.zeros(3)}, r"asks for numpy\.\S*_reconstruct"),
    "an empty list": (lambda: [], "got a list of nothing"),
    "a tensor": (lambda: torch.zeros(2, 3), r"got tensor \[2, 3\]"),
    "many keys": (lambda: {f"key{n}": n for n in range(40)}, r"key5 \(int\) and 34 more"),
    "control codes": (lambda: {"\x1b[2J\n": 1}, r"got a dict of '\\x1b\[2J\\n' \(int\)"),
    "a module": (
        lambda: {"model": network(), "epoch": 1},
        r"refused, the pickle asks for torch\.nn",
    ),
    "metrics": (lambda: {"test": {"acc": torch.tensor(0.9)}}, r"test \(dict of 1\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    make, message = REFUSED[case]
    torch.save(make(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=message) as told:
        read_weights(tmp_path / "w.pt")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 600


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
def test_a_program_beside_weights_does_not_run(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "w.pt"
    torch.save(beside(x=Runs(tmp_path / "ran")), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r"asks for (posix|nt)\.system.*--trust-pickle"):
        read_weights(path)
    assert not (tmp_path / "ran").exists()
    assert torch.equal(read_weights(path, trust_pickle=True)["0.weight"], weights()["0.weight"])
    assert (tmp_path / "ran").exists()


def test_a_module_beside_averaged_weights_is_a_choice(tmp_path: Path) -> None:
    """The restricted reader sees one of two; that is no reason to take it."""
    torch.save({"model": network(), "ema": weights(2)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"holds 2 state dicts, model .*Sequential.*, ema"):
        read_weights(tmp_path / "w.pt")
    read = read_weights(tmp_path / "w.pt", key="ema")
    assert torch.equal(read["0.weight"], weights(2)["0.weight"])
    with pytest.raises(InputError, match=r"holds 2 state dicts"):
        read_weights(tmp_path / "w.pt", trust_pickle=True)
    assert read_weights(tmp_path / "w.pt", trust_pickle=True, key="model").keys() == read.keys()


def test_another_protocol_is_named(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "w.pt", pickle_protocol=4)
    with pytest.raises(InputError, match="refused, the pickle is of protocol 4"):
        read_weights(tmp_path / "w.pt")
    assert "0.weight" in read_weights(tmp_path / "w.pt", trust_pickle=True)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_plain_pickle_is_told(tmp_path: Path, protocol: int) -> None:
    """As Detectron's: torch.load cannot read it, trusted or not."""
    content = {"model": {"conv": np.zeros(3)}}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(content, protocol))
    for trust in (False, True):
        with pytest.raises(InputError, match=r"a plain pickle, which asks for numpy\.\S*reconst"):
            read_weights(tmp_path / "w.pkl", trust_pickle=trust)


def test_another_archive_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.model", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match=r"torch.save did not write; it holds 'config.json'"):
        read_weights(tmp_path / "w.model")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"w": torch.zeros(64 * 2**20 // 4)}, tmp_path / "large.pt")
    with (
        zipfile.ZipFile(tmp_path / "large.pt") as large,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in large.infolist():
            packed.writestr(entry.filename, large.read(entry))
    with pytest.raises(InputError, match=r"refused, [\d,]+ bytes unpack to 67,"):
        read_weights(path)


def test_a_view_larger_than_its_file_stays_one(tmp_path: Path) -> None:
    """A stride of 0 makes four bytes a tensor of any size; its shape is refused before a copy."""
    state = weights()
    state["3.bias"] = torch.zeros(1).expand(10**12)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"another shape: 3.bias \[1000000000000\]"):
        load_into(network(), read_weights(tmp_path / "w.pt"), "w")


def shards(folder: Path, suffix: str, state: Tensors | None = None) -> Path:
    state = weights() if state is None else state
    names = list(state)
    halves = names[:3], names[3:]
    mapped = {}
    for n, half in enumerate(halves):
        file = f"model-{n}.{suffix}"
        part = {name: state[name] for name in half}
        if suffix == "bin":
            torch.save(part, folder / file)
        else:
            save_file(part, folder / file, metadata={"format": "pt"})
        mapped |= dict.fromkeys(half, file)
    index = folder / f"model.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": mapped}))
    return index


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_several_files_with_an_index(tmp_path: Path, suffix: str) -> None:
    made = network()
    load_into(made, read_weights(shards(tmp_path, suffix)), "w")
    assert torch.equal(made[3].weight, weights()["3.weight"])
    (tmp_path / f"model-1.{suffix}").unlink()
    with pytest.raises(InputError, match=rf"model-1\.{suffix}: no such file"):
        read_weights(tmp_path / f"model.{suffix}.index.json")


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_one_of_several_state_dicts_in_several_files(tmp_path: Path, suffix: str) -> None:
    index = shards(tmp_path, suffix, prefixed("ema.") | prefixed("model.", seed=2))
    made = network()
    load_into(made, read_weights(index, key="ema"), "w")
    assert torch.equal(made[3].weight, weights()["3.weight"])
    with pytest.raises(InputError, match=r"index\.json: weights_key=emma names no state dict"):
        read_weights(index, key="emma")


BAD_INDEX = {
    "../secret.bin": "'../secret.bin' is not a file in its folder",
    "/etc/passwd": "is not a file in its folder",
    "C:\\\\x.bin": "is not a file in its folder",
    "a.index.json": "names another index",
    "w.txt": "expected a file",
}


@pytest.mark.parametrize("file", BAD_INDEX)
def test_an_index_leads_nowhere_else(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    torch.save({"a": torch.zeros(2)}, tmp_path / "secret.bin")
    for name in ("a.index.json", "w.txt"):
        (folder / name).write_text("{}")
    index = folder / "m.index.json"
    index.write_text(json.dumps({"weight_map": {"a": file.replace("\\\\", "\\")}}))
    with pytest.raises(InputError, match=BAD_INDEX[file]):
        read_weights(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"model": 1}', "expected an index with a weight_map, got model"),
        ("[]", "expected an index with a weight_map, got list"),
    ],
)
def test_bad_indexes(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.index.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_weights(tmp_path / "m.index.json")


def test_arrays_and_folders_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", conv=np.zeros(3), bias=np.zeros(1))
    with pytest.raises(InputError, match=r"NumPy arrays \('conv', 'bias'\); write them as a state"):
        read_weights(tmp_path / "w.npz")
    shards(tmp_path, "bin")
    with pytest.raises(InputError, match=r"a folder; name a file in it: model-0.bin, model-1"):
        read_weights(tmp_path)


DTYPES = {
    "half": (lambda t: t.half(), ""),
    "bfloat16": (lambda t: t.bfloat16(), ""),
    "float64": (lambda t: t.double(), ""),
    "float64 with more digits": (lambda t: t.double() / 3, "float64 rounded to float32: 0.weight"),
    "quantised": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), ""),
}


@pytest.mark.parametrize("case", DTYPES)
# torch deprecates the making of such tensors; files that have them stay
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_other_precisions_become_float32(tmp_path: Path, case: str) -> None:
    change, told = DTYPES[case]
    state = {k: change(v) if v.is_floating_point() else v for k, v in weights().items()}
    torch.save(state, tmp_path / "w.pt")
    made = network()
    changes = load_into(made, read_weights(tmp_path / "w.pt"), "w")
    assert changes.startswith(told) if told else changes == ""
    assert {p.dtype for p in made.parameters()} == {torch.float32}
    plain = state["0.weight"].dequantize() if case == "quantised" else state["0.weight"]
    assert torch.equal(made[0].weight, plain.float())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.to(torch.complex64), r"0\.weight is complex64, expected a dense tensor"),
        (lambda t: t.to_sparse(), r"0\.weight is float32 sparse_coo, expected a dense"),
        (lambda t: (100 * t).char(), r"0\.weight is int8, expected floating point"),
    ],
)
def test_kinds_that_are_no_weights(change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_into(network(), {**weights(), "0.weight": change(weights()["0.weight"])}, "w")


def test_tied_weights_may_be_given_once(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        made = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        made[1].weight = made[0].weight
        return made

    torch.manual_seed(3)
    source, made = tied(), tied()
    state = {k: v.clone() for k, v in source.state_dict().items() if k != "1.weight"}
    save_file(state, tmp_path / "w.safetensors")
    load_into(made, read_weights(tmp_path / "w.safetensors"), "w")
    assert torch.equal(made[1].weight, source[1].weight)
    torch.save(source.state_dict(), tmp_path / "w.pt")
    load_into(tied(), read_weights(tmp_path / "w.pt"), "w")


class Shared(nn.Module):
    """Two names of one parameter, and two of one buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("centre", self.mean)


@pytest.mark.parametrize(("one", "other"), [("a.weight", "b.weight"), ("mean", "centre")])
def test_two_values_of_one_tensor_are_refused(one: str, other: str) -> None:
    """The last one would win without a word."""
    state = {name: torch.full_like(t, torch.nan) for name, t in Shared().state_dict().items()}
    load_into(Shared(), state, "w")
    state[other] = torch.ones_like(state[other])
    with pytest.raises(InputError, match=rf"^w: {one} and {other} differ, but are one tensor"):
        load_into(Shared(), state, "w")


def test_names_that_would_be_ambiguous_stay() -> None:
    """`net.x` and `model.x` of one network differ by wrappers alone."""
    two = nn.ModuleDict({"net": nn.Linear(2, 2), "model": nn.Linear(2, 2)})
    state = OrderedDict(
        (k, torch.full_like(v, i)) for i, (k, v) in enumerate(two.state_dict().items())
    )
    load_into(two, state, "w")
    assert two["model"].bias.eq(3).all()
    with pytest.raises(InputError, match="missing"):
        load_into(
            two, {f"module.{k}": v for k, v in state.items()} | {"module.x": state["net.bias"]}, "w"
        )


def test_a_network_that_wraps_what_the_file_does_not() -> None:
    made = nn.ModuleDict({"model": network()})
    load_into(made, weights(), "w")
    assert torch.equal(made["model"][0].weight, weights()["0.weight"])


def test_an_old_file_with_a_module_names_it(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(beside(loss=nn.CrossEntropyLoss()), path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"refused, the pickle asks for torch\.nn\S*CrossEntropy"):
        read_weights(path)
