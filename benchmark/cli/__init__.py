"""The command line `bench`."""

from benchmark.cli.app import main

__all__ = ["main"]
