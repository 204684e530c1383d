"""Tests of the data set room, on real drops."""
