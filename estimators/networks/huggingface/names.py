"""Where a classifier of transformers is: a folder or a name on the Hub. No torch is imported."""

from __future__ import annotations

import importlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from estimators.bounded import bounded_json
from estimators.errors import InputError, install_extra

FAMILY = "hf"
CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
_ON_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def check_name(name: str) -> None:
    """Raise InputError for what is neither a folder of a classifier nor a name on the Hub.

    name: what follows `hf:`.
    """
    where = f"network {FAMILY}:{name}"
    folder = Path(name)
    if not folder.is_dir():
        if _ON_HUB.fullmatch(name) is None:
            text = "no such folder, and not a name on the Hugging Face Hub (OWNER/NAME)"
            raise InputError(f"{where}: {text}; {HOW_TO_SAVE}")
    else:
        for file in (CONFIG, PROCESSOR):
            if not (folder / file).is_file():
                raise InputError(f"{where}: the folder has no {file}; {HOW_TO_SAVE}")
        _check_config(folder / CONFIG, where)
    if find_spec("transformers") is None:
        raise InputError(
            f"{where}: needs the package transformers, which is not installed here;"
            f" {install_extra('huggingface')}"
        )


def offline(name: str) -> bool:
    """Return whether a name is a folder, or the Hub may not or cannot be reached."""
    return Path(name).is_dir() or unreachable()


def unreachable() -> bool:
    """Return whether nothing may or can be downloaded, after at most one look-up of an address.

    The Hub's own client waits 23 seconds before it says so.
    """
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return True
    if any(os.environ.get(proxy) for proxy in _PROXIES):
        return False
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        socket.getaddrinfo(address.hostname, address.port or 443)
    except OSError:
        return True
    return False


@contextmanager
def cache_only() -> Iterator[None]:
    """Let the Hub's own client look into its cache alone, where the Hub cannot be reached.

    Other packages call the client, and it would try and wait for each file.
    """
    if find_spec("huggingface_hub") is None or not unreachable():
        yield
        return
    # it reads the environment when it is imported
    constants: Any = importlib.import_module("huggingface_hub.constants")
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _check_config(file: Path, where: str) -> None:
    try:
        config = bounded_json(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: {file} cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"{where}: {file} is not a mapping; {HOW_TO_SAVE}")
    problem = config.get("problem_type")
    if problem not in (None, "single_label_classification"):
        raise InputError(
            f"{where}: its problem_type is {problem}; expected a classifier with one class per"
            " image (single_label_classification)"
        )


HOW_TO_SAVE = (
    "write one with model.save_pretrained('FOLDER') and processor.save_pretrained('FOLDER'), or"
    " where there is a network with `hf download OWNER/NAME --local-dir FOLDER`, and name hf:FOLDER"
)
