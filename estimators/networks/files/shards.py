"""Weights in several files, as Hugging Face writes them: an index names the file of each tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import torch

from estimators.bounded import bounded_json
from estimators.errors import InputError

# reads one file
Read = Callable[[Path], dict[str, torch.Tensor]]


def read_shards(index: Path, read: Read, where: str) -> dict[str, torch.Tensor]:
    """Return the tensors of all files that an index (`*.index.json`) names.

    read: reads one of these files, which must lie in the folder of the index.

    Raises InputError for an index of another form, and for a tensor that is not in its file.
    """
    files: dict[str, list[str]] = {}
    for name, file in _weight_map(index, where).items():
        # backslashes and drives lead elsewhere on Windows; the index may come from anywhere
        if PureWindowsPath(file).name != file or file in ("", ".", ".."):
            raise InputError(f"{where}: {file!r} is not a file in its folder")
        files.setdefault(file, []).append(name)
    state: dict[str, torch.Tensor] = {}
    for file, names in files.items():
        part = read(index.parent / file)
        for name in names:
            if name not in part:
                raise InputError(f"{where}: {name} is not in {file}")
            state[name] = part[name]
    return state


def _weight_map(index: Path, where: str) -> dict[str, str]:
    try:
        content = bounded_json(index)
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: cannot be read as JSON ({error})") from error
    found = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(file, str) for file in found.values()):
        got = ", ".join(list(content)[:3]) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{where}: expected an index with a weight_map, got {got or '{}'}")
    return found
