"""How figures look and how things are named in them."""
