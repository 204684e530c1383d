"""Tests of the audio room, on real files."""
