"""One page about a pre-training run: what it is, how it went, and what its model does on held-out text."""
