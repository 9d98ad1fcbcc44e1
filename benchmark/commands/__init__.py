"""The commands of `bench`: each parses, calls and renders."""
