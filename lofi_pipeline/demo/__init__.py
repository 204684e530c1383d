"""Synthetic music with known truth: what the demo drop and the nano models are made from."""
