"""The version of the columns of `results.csv`; a module of its own, since it needs no pandas."""

from __future__ import annotations

VERSION = 1
