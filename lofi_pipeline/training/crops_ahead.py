"""The crops of a step, those of the next one drawn while it is under way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from lofi_pipeline.training.loss import Batch


class CropsAhead:
    """Draws one step ahead in a thread of its own, up to `end`. What a step sees does not depend on when it is drawn."""

    def __init__(self, draw: Callable[[int], list[Batch]], end: int) -> None:
        self._draw, self._end = draw, end
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crops")
        self._next: tuple[int, Future[list[Batch]]] | None = None

    def of(self, step: int) -> list[Batch]:
        """The crops of a step."""
        if self._next is None or self._next[0] != step:
            self._next = step, self._thread.submit(self._draw, step)
        crops = self._next[1].result()
        if step + 1 < self._end:
            self._next = step + 1, self._thread.submit(self._draw, step + 1)
        return crops

    def close(self) -> None:
        """End the thread, after what it is at."""
        self._thread.shutdown()
