"""The inputs of a run from the names of its cells: loaded, checked, trained."""
