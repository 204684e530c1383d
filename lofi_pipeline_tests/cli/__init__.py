"""Tests of the command line, as processes of their own."""
