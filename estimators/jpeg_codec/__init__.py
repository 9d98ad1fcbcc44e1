"""The exact JPEG codec, without ART."""
