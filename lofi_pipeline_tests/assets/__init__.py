"""Tests of the assets, through a real Dagster instance."""
