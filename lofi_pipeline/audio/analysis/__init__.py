"""Measurements of decoded music: quality, tempo, beats, key, metre, timbre, voice; and the image of its waveform.

Nothing here changes a sample (mastering/ does) or opens a file (io/ does).
"""
