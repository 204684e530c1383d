"""Base models, the latent cache, the LoRA loop, checkpoints and retention.

Nothing is imported here, so that the torch-free modules (records, lineage, manifest, retention, history,
launch) stay light.
"""
