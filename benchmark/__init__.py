"""The harness: grids, cells, attacks, evaluation and the command line."""
