"""Figures of the studies, one module a study; each reads what its study left on disk."""
