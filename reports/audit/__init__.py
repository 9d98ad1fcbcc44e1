"""Checks against false robustness on the results of a run."""
