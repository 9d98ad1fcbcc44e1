"""Advice on a network that gets less right than it could: pixels, order of classes."""
