"""numba as the compiler of the kernel, or no compiler where it is missing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from estimators.user_cache import user_cache

F = TypeVar("F", bound=Callable[..., Any])
Numba = Any  # arrays, numbers and tuples whose types numba infers


def load_njit() -> Numba:
    """Return numba's compiler.

    None where numba is missing, does not suit the NumPy beside it, or is switched off.
    """
    try:
        numba = importlib.import_module("numba")
    except ImportError:
        return None
    return None if numba.config.DISABLE_JIT else numba.njit


njit = load_njit()


def cache_folder() -> Path:
    """Return the folder of this user in which numba keeps what it has compiled.

    By default numba keeps it beside the module. There it outlives the package: the folder that pip
    leaves behind then hides `estimators.jpeg_codec` of an editable install.
    """
    return user_cache() / "numba"


def compiled(function: F, **options: Any) -> F:
    """Compile a function at its first call, and keep the result on disk.

    numba compiles again when the function's own file changes, and sees no change of another file:
    what is inlined stands in the same file.

    options: for numba.
    """
    if njit is None:
        return function
    config = importlib.import_module("numba").config
    named = config.CACHE_DIR  # NUMBA_CACHE_DIR
    config.CACHE_DIR = named or str(cache_folder())
    try:
        # the folder is read here, at the decoration
        return cast(F, njit(nogil=True, cache=True, **options)(function))
    except RuntimeError:  # no writable place for the cache: every process compiles for itself
        return cast(F, njit(nogil=True, **options)(function))
    finally:
        config.CACHE_DIR = named


def inlined(function: F) -> F:
    """Make a function part of each compiled function that calls it."""
    return function if njit is None else cast(F, njit(inline="always")(function))


def intrinsic(function: F) -> Numba:
    """Make a function that writes the language of LLVM callable in compiled functions."""
    if njit is None:
        return function
    return importlib.import_module("numba.extending").intrinsic(function)
