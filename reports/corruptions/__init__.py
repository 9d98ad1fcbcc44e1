"""Errors under the corruptions of ImageNet-C."""
