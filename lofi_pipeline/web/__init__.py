"""The one port that people open: the studio, and Dagster's webserver beside it, behind a guard. What starts and ends it is in cli/."""
