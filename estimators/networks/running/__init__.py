"""How a network is run: copied, guarded, quiet, with batch norms folded where that is proved."""
