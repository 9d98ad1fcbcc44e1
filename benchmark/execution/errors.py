"""Errors of a cluster, importable without torch or Dask."""

from __future__ import annotations


class ClusterLost(RuntimeError):
    """The cluster went away during a run: finished cells are kept, the same command continues."""


class UnfitWorker(RuntimeError):
    """A worker whose numbers could differ from those of this machine, or without its device."""
