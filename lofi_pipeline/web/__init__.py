"""The one port that people open: Dagster's webserver behind a guard. What starts and ends it is in cli/ui.py."""
