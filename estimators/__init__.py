"""Networks, data sets and defences: everything that is attacked or that protects."""
