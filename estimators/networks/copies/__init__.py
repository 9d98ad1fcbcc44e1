"""Copies of networks: what they share all the same, and whether they compute the same."""
