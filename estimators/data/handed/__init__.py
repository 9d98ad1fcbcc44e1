"""Data that a caller hands over: arrays, data sets of other packages, loaders, items one by one."""
