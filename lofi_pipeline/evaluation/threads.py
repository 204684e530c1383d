"""How many threads scoring takes: always as many, so that a checkpoint's scores do not depend on what runs beside it.

Threads divide sums, and floating point adds up otherwise when it is divided otherwise: the same adapter, scored beside a
training and after it, differed in the fifth digit. One is the only number that every machine has. On a machine that does
something else as well it is the fastest, too: with two threads on two busy cores each waits for the other, and scoring took
five times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SCORING_THREADS = 1


@contextmanager
def scoring_threads() -> Iterator[None]:
    """Let torch, and the linear algebra behind NumPy, use SCORING_THREADS while the block goes on; then as many as before."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(SCORING_THREADS)
    try:
        with threadpool_limits(SCORING_THREADS):
            yield
    finally:
        torch.set_num_threads(before)
