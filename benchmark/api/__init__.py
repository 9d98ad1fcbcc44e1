"""The Python API: evaluate a network that is an object, run a grid, show what came out."""
