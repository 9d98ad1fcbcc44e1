"""The processor of this machine."""

from __future__ import annotations

import platform
from pathlib import Path

# instructions that decide the speed of networks, as Linux names them
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def processor() -> str:
    """Return the name of this machine's processor."""
    return _of_linux("model name") or platform.processor() or platform.machine()


def instructions() -> list[str]:
    """Return which of INSTRUCTIONS this machine's processor has; none where Linux does not say."""
    flags = _of_linux("flags").split()
    return [name for name in INSTRUCTIONS if name in flags]


def _of_linux(name: str) -> str:
    """Return what Linux says of the first processor; empty where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    values = [
        line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == name
    ]
    return values[0] if values else ""
