"""How the shipped nano models are made: the synthetic corpus, the embedder, the base, and what they measure at.

Run by hand, module by module; nothing of the pipeline imports this package.
"""
