"""A run directory: what goes in, the store, what is written."""
