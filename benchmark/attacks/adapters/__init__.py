"""Attacks of other libraries and of plug-ins, by name."""
