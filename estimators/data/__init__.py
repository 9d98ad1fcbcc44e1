"""The data sets and the images they hold."""
