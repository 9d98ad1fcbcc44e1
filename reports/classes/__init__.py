"""Accuracy and predictions by class."""
