"""Tests of jobs, sensors and schedules, through a real Dagster instance."""
