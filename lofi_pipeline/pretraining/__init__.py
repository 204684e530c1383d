"""How the shipped nano models are made: the synthetic corpus, the embedder, the base, and what they measure at."""
