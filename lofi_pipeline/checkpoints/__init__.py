"""Checkpoints as they lie in a data root: their records, manifest, archive, loss log, retention, and ledger entries.

Torch-free. What trains checkpoints or loads their weights is in training/, what scores them in evaluation/. Nothing is
imported here, so that each module stays light.
"""
