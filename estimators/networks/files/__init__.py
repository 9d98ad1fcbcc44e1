"""What is in files of weights, and how it goes into a network."""
