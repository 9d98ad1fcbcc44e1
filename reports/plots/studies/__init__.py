"""Figures of the studies, one module per study. Each reads what its study left on disk."""
