"""Tests by room, and the whole way by what a user does."""
