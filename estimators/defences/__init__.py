"""The defences: ART preprocessors in front of a network, one kind per file."""
