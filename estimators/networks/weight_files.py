"""Files of weights, safetensors and .pt, read as data and never run; hashes of weights.

A .pt file is a pickle, and a pickle is a program. torch's restricted reader, which reads it, knows
tensors and containers; a file that needs more is refused unless the user trusts its author.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from estimators.errors import InputError
from estimators.plugins import describe_error

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
# where training scripts put the weights in a dictionary of all that they keep
_NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
# DataParallel, torch.compile, Lightning
_PREFIXES = ("module.", "_orig_mod.", "model.")
_FAULTS, _SHOWN = ("missing", "not in the network", "of another shape"), 3
# how files of torch.save begin: a zip archive, before torch 1.6 a pickle of protocol 2 or more
_SAVED = (b"PK", b"\x80")
# torch looks for this variable at every load
_RESTRICT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def read_weights(path: Path, trust_pickle: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors of a weights file by name, on the CPU.

    path: safetensors, or a .pt file that holds a state dict, a dictionary with one in it, or
        (trusted) a whole module.
    trust_pickle: run the pickle where it needs more than tensors; only for files whose author
        may run code here.

    Raises InputError for a file that cannot be read, is refused, or holds no weights.
    """
    where = f"weights {path}"
    if not path.is_file():
        raise InputError(f"{where}: no such file")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{where}: expected a file {', '.join(SUFFIXES)}")
    if path.suffix == ".safetensors":
        try:
            tensors: dict[str, torch.Tensor] = load_file(path)
            return tensors
        except (SafetensorError, OSError) as error:
            raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
    return _state_dict(_unpickled(path, where, trust_pickle), where)


@contextmanager
def pickles_as_data() -> Iterator[None]:
    """Give external code the restricted reader; `torch.load` before 2.6 runs pickles by default."""
    before = os.environ.get(_RESTRICT)
    os.environ[_RESTRICT] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_RESTRICT]
        else:
            os.environ[_RESTRICT] = before


def load_into(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Put weights into a network; prefixes that wrappers add to every name are removed.

    Raises InputError that names the first few weights that are missing, left over, or of another
    shape.
    """
    expected = network.state_dict()
    state = _without_prefix(state, expected)
    missing = [k for k in expected if k not in state]
    extra = [k for k in state if k not in expected]
    other = [
        f"{k} {list(state[k].shape)}, expected {list(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    faults = []
    for names, fault in zip((missing, extra, other), _FAULTS, strict=True):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            faults.append(f"{fault}: {', '.join(names[:_SHOWN])}{more}")
    if faults:
        raise InputError(f"{where}: does not fit the network; {'; '.join(faults)}")
    network.load_state_dict(dict(state))


def weights_hash(network: nn.Module) -> str:
    """Return a SHA-256 of all weights and running statistics by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if isinstance(tensor, torch.Tensor):  # a module's "extra state" may be any object
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def default_cache() -> Path:
    """Return the folder of weights: in `BENCH_CACHE_DIR`, or in this user's cache folder."""
    named = os.environ.get("BENCH_CACHE_DIR")
    return (Path(named) if named else Path(platformdirs.user_cache_dir("art-bench"))) / "weights"


def _unpickled(path: Path, where: str, trust: bool) -> object:
    with warnings.catch_warnings():
        # torch warns of old formats and of TorchScript archives; the error below says it
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            with path.open("rb") as file:
                if not file.read(2).startswith(_SAVED):
                    raise InputError(
                        f"{where}: cannot be read, torch.save wrote no such file; is it whole?"
                    ) from error
            if not trust:
                raise InputError(_refused(error, where)) from error
        except Exception as error:
            # zip, pickle and torch each raise their own for a damaged file
            raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
        try:
            return torch.load(path, map_location="cpu", weights_only=False)
        except Exception as error:
            raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error


def _refused(error: Exception, where: str) -> str:
    match = re.search(r"GLOBAL (\S+)", str(error))
    asks = f"asks for {match.group(1)}" if match else "is no plain state dict"
    return (
        f"{where}: refused, the pickle {asks}, and reading it could run any code; save the"
        " network's state_dict() (best as safetensors), or add --trust-pickle if you trust its"
        " author"
    )


def _state_dict(content: object, where: str) -> dict[str, torch.Tensor]:
    nested = [content.get(key) for key in _NESTED] if isinstance(content, Mapping) else []
    for state in (content, *nested):
        state = state.state_dict() if isinstance(state, nn.Module) else state
        if isinstance(state, Mapping) and state and all(map(torch.is_tensor, state.values())):
            return {str(name): tensor for name, tensor in state.items()}
    got = type(content).__name__
    raise InputError(f"{where}: holds no state dict (got {got}); save network.state_dict()")


def _without_prefix(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> Mapping[str, torch.Tensor]:
    """Remove prefixes that all names have and the network's do not, one after the other."""
    for prefix in _PREFIXES * len(_PREFIXES):
        ours = any(name.startswith(prefix) for name in expected)
        if not ours and all(name.startswith(prefix) for name in state):
            state = {name[len(prefix) :]: tensor for name, tensor in state.items()}
    return state
