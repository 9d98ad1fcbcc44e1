"""Files of weights: which reader takes which; hashes of weights; the folder of the cache."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from estimators.errors import InputError
from estimators.networks.files.contents import choose_state
from estimators.networks.files.pickles import read_pickle
from estimators.networks.files.shards import read_shards
from estimators.plugins import describe_error

SAFE, INDEX = ".safetensors", ".index.json"
# what torch.save's files are called; the content decides, not the name
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".tar", ".t7", ".model", ".pkl", ".pickle", ".pyth",
           ".weights", ".pt2", ".ts", ".torchscript")  # fmt: skip
# torch looks for this variable at every load
_RESTRICT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def read_weights(
    path: Path, trust_pickle: bool = False, key: str | None = None
) -> dict[str, torch.Tensor]:
    """Return the tensors of a weights file by name, on the CPU.

    path: safetensors, an index of several files, or a file of torch.save that holds a state dict,
        containers with one in it, or (trusted) a whole module or program.
    trust_pickle: run the pickle where it needs more than tensors; only for files whose author
        may run code here.
    key: which state dict is meant, where the file holds several.

    Raises InputError for a file that cannot be read, is refused, holds no weights or several.
    """
    where = f"weights {path}"
    if path.is_dir():
        raise InputError(f"{where}: a folder; name a file in it{_files_in(path)}")
    if not path.is_file():
        raise InputError(f"{where}: no such file")
    name = path.name.lower()
    if name.endswith(INDEX):
        one = partial(read_weights, trust_pickle=trust_pickle)
        joined = read_shards(path, partial(_shard, one, where), where)
        # names in the index are whole, and a state dict may lie in several files
        return joined if key is None else choose_state(joined, key, where)
    if name.endswith(SAFE):
        try:
            tensors: dict[str, torch.Tensor] = load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
        return tensors if key is None else choose_state(tensors, key, where)
    if name.endswith(".npz"):
        raise InputError(f"{where}: holds NumPy arrays{_arrays_in(path)}; {_CONVERT}")
    if not name.endswith(PICKLES):
        raise InputError(f"{where}: expected a file {', '.join((SAFE, INDEX, *PICKLES))}")
    return read_pickle(path, key, trust_pickle, where)


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


def weights_hash(network: nn.Module) -> str:
    """Return a SHA-256 of all weights and running statistics by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if isinstance(tensor, torch.Tensor):  # a module's "extra state" may be any object
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


_CONVERT = (
    "write them as a state dict: torch.save({name: torch.from_numpy(array), ...}, 'weights.pt')"
)


def _shard(
    read: partial[dict[str, torch.Tensor]], where: str, path: Path
) -> dict[str, torch.Tensor]:
    if path.name.lower().endswith(INDEX):
        raise InputError(f"{where}: names another index, {path.name}")
    return read(path)


def _files_in(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if _is_weights(path))
    return f": {', '.join(names[:3])}" if names else ""


def _is_weights(path: Path) -> bool:
    return path.name.lower().endswith((SAFE, INDEX, *PICKLES))


def _arrays_in(path: Path) -> str:
    """Return the names of a few arrays, without unpacking one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" ({', '.join(map(ascii, names[:3]))}{more})"
