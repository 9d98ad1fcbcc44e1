"""The version of art-bench."""

__version__ = "0.1.0"
