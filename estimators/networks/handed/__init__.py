"""Networks that a caller hands over as objects: modules, and classifiers of ART."""
