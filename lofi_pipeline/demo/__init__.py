"""Synthetic music with known truth, for the demo, the tests and the pretraining of the nano models.

How such music is measured is in audio/, how the nano models are trained in pretraining/.
"""
