"""Base models, the latent cache, the LoRA loop, and writing and verifying checkpoints.

What can be done with checkpoints without torch is in checkpoints/. Nothing is imported here, so that the torch-free modules
(records, lineage, launch, captions, bases) stay light.
"""
