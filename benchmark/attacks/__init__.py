"""The attacks, one per file, and the registry that names them."""
