"""Whether generated clips copy training tracks: what is compared (sound.py), what is kept of training tracks (training.py),
and the search (search.py).

The fingerprints of audio/fingerprint/ tell whole recordings apart, and look at stretches of 15 s and more; a clip may copy
half a second.
"""
