"""How a network is run: guarded, quiet, with batch norms folded where that is proved."""
