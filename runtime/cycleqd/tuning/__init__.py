"""Training in small: a model in memory learns from pairs of a prompt and an answer."""
