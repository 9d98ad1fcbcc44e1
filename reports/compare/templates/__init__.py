"""HTML of a comparison."""
