"""From file to samples and back: container headers, decoding, MP3 encoding, the gain fields of MP3 frames.

Measurements are in analysis/, changes of the sound in mastering/.
"""
