"""Reviewing tracks: edits, what they come to, and what the pipeline makes of them."""
