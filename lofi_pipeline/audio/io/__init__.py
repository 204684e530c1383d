"""From file to samples and back: container headers, decoding, MP3 encoding, the gain fields of MP3 frames.

No measurement and no change of the sound: see analysis/ and mastering/.
"""
