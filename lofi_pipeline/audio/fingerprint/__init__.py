"""Recognising two tracks as one recording: fingerprints (extract.py), short sketches to search by (sketch.py), and the
comparison of two fingerprints (match.py).

Which tracks of a data root are compared, and what follows for the data set, is decided in dataset/.
"""
