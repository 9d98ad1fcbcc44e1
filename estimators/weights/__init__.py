"""The weights that come with the package, as safetensors."""
