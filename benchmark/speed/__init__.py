"""What `bench speed` measures."""
