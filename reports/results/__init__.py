"""The files of a run: columns, reading, writing."""
