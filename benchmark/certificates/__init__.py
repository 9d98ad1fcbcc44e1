"""Certificates: proved lower bounds of the margin of a network on an Linf ball."""
