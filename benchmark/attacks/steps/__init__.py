"""Steps that several attacks share."""
