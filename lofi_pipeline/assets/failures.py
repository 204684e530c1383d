"""How an asset fails: with the sentence of the error that ended it, which the UI and the command line show as it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import in_words


@contextmanager
def failing_in_words() -> Iterator[None]:
    """Turn errors that a user can do something about into Dagster's Failure. Also as a decorator of an asset's body."""
    try:
        yield
    except (LofiError, OSError) as error:
        raise dg.Failure(in_words(error), allow_retries=False) from error
