"""Recipes, training and checkpoints."""
