"""How often sensors have work tried that fails: a few times at once, then once an hour, for what was to blame may be mended by then."""

import time

import dagster as dg

RETRY_SECONDS = 3600.0


def is_exhausted(instance: dg.DagsterInstance, failed: dg.RunsFilter, attempts: int) -> bool:
    """Whether as many runs have failed as are to be tried at once, the latest of them within the hour."""
    latest = instance.get_run_records(failed, limit=attempts)
    return len(latest) >= attempts and time.time() - latest[0].update_timestamp.timestamp() < RETRY_SECONDS
