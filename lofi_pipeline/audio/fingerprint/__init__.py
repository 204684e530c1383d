"""Telling that two tracks are one recording: the fingerprint of a track, its short sketch, and the comparison of two.

Which of the tracks of a data root are compared, and what follows for the data set, is decided in dataset/.
"""
