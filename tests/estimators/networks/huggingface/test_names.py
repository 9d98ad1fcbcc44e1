"""Names of classifiers of transformers; no package of Hugging Face is needed for these."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from estimators.errors import InputError
from estimators.networks.huggingface import names
from estimators.networks.huggingface.names import cache_only, check_name, offline
from estimators.spec import Spec, parse_spec


def test_names_of_folders_and_of_the_hub() -> None:
    for text in ("hf:google/vit-base-patch16-224", "hf:./my_model", "hf:/data/my model", "hf:mine"):
        assert parse_spec(text) == Spec(text)
    assert parse_spec("hf:a/b:low_pass=1") == Spec.of("hf:a/b", low_pass=1)
    assert parse_spec(str(Spec.of("hf:a/b", low_pass=1))) == Spec.of("hf:a/b", low_pass=1)
    with pytest.raises(InputError, match="expected NAME or NAME:PARAMETER=VALUE"):
        parse_spec("fgsm:0.1")


def test_wrong_names_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder, and not a name on the Hugging Face Hub"):
        check_name("./nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"has no preprocessor_config\.json"):
        check_name(str(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(InputError, match="cannot be read"):
        check_name(str(tmp_path))


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="it is installed")
def test_the_missing_package_is_named() -> None:
    with pytest.raises(InputError, match=r"pip install '\.\[huggingface\]' in a checkout"):
        check_name("google/vit-base-patch16-224")


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert offline("a/b") and offline(str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [])
    assert not offline("a/b") and offline(str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert offline("a/b")


def test_the_client_looks_into_its_cache_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm calls it; without a network it would try and wait for each file."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the Hub's client")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(names, "unreachable", lambda: True)
    with pytest.raises(ValueError, match="stop"), cache_only():
        assert constants.HF_HUB_OFFLINE
        raise ValueError("stop")
    assert not constants.HF_HUB_OFFLINE
    monkeypatch.setattr(names, "unreachable", lambda: False)
    with cache_only():
        assert not constants.HF_HUB_OFFLINE
