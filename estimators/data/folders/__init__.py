"""Image folders: which folder is a split, which are classes, and their order."""
