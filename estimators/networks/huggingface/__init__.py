"""Image classifiers of transformers: their names, their processors, and the networks."""
