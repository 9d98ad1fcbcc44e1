"""How time and memory grow with images, classes, cells and pixels."""
