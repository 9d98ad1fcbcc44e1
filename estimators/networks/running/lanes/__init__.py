"""Convolution, ReLU and pooling of small images, sixteen images side by side."""
