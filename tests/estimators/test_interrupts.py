"""Ctrl-C is told from what external code raises, and its frame from those of imports."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from estimators.errors import EndsProgram
from estimators.interrupts import contained, importing, interrupts


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Ctrl-C raises, also below a shell's background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_noted_and_raised() -> None:
    frames: list[FrameType | None] = []
    with pytest.raises(KeyboardInterrupt), interrupts(frames.append) as came:
        assert not came()
        signal.raise_signal(signal.SIGINT)
    assert came() and len(frames) == 1 and not importing(frames[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_nested_block_hands_it_on() -> None:
    frames: list[FrameType | None] = []
    with pytest.raises(KeyboardInterrupt), interrupts(frames.append) as came, contained():
        signal.raise_signal(signal.SIGINT)
    assert came() and len(frames) == 1


def test_what_external_code_raises_is_not_ctrl_c() -> None:
    with interrupts() as came, pytest.raises(EndsProgram, match="KeyboardInterrupt"), contained():
        raise KeyboardInterrupt
    assert not came()


def test_below_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "bench_test_interrupted_import"
    (tmp_path / f"{module}.py").write_text(
        "import signal\ndef send(): signal.raise_signal(signal.SIGINT)\nsend()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found: list[bool] = []
    with pytest.raises(KeyboardInterrupt), interrupts(lambda frame: found.append(importing(frame))):
        __import__(module)
    sys.modules.pop(module, None)
    assert found == [True]
