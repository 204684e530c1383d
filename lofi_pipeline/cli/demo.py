"""What `lofi demo` does beside a run: it renders the synthetic drop, and says whether the LoRA did what it should."""

from __future__ import annotations

import time
import timeit
from typing import TYPE_CHECKING

from lofi_pipeline import progress
from lofi_pipeline.cli.console import bars, console, errors
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.cli.run_summary import Summary


def render_drop(root: DataRoot) -> None:
    """Write the synthetic drop and the truth about it, unless they are there."""
    from lofi_pipeline.demo.drop import make_demo_drop

    start = time.monotonic()
    truth = root.path / "demo_truth.json"
    if truth.is_file():
        console.print(f"The synthetic drop is there already: {root.raw}")
        return
    with bars():
        made = make_demo_drop(
            root.raw,
            progress=lambda done, total, name: progress.report("demo drop", done, total, name),
        )
    made.write(truth)
    console.print(f"Rendered the synthetic drop into {root.raw} in {time.monotonic() - start:.1f} s")


def matrix_product_seconds() -> float:
    """What one product of two 2048 x 2048 matrices in float32 takes on two threads: how fast this machine is, beside the total."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    matrix = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
    with threadpool_limits(2):
        return min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=5))


def show_outcome(summary: Summary, *, seconds: float) -> bool:
    """Hold the best checkpoint against the base; whether it improved on it as it should."""
    best = summary.best_line
    if best is None or best.fad is None or best.clap is None or summary.base is None or not summary.base.fad:
        errors.print("[bold red]The demo failed:[/] no checkpoint was scored")
        return False
    console.print(
        f"Best {summary.fad_name} {best.fad:.4f}, {best.fad / summary.base.fad:.2f} of the base's {summary.base.fad:.4f} "
        f"(at most 0.50 is asked for); its {summary.clap_name} {best.clap:.4f} against {summary.base.clap:.4f}; {seconds:.0f} s in all, "
        f"on a machine that takes {matrix_product_seconds():.2f} s for a product of two 2048 x 2048 matrices"
    )
    improved = best.fad <= summary.base.fad / 2 and best.clap > (summary.base.clap or 0)
    if not improved:
        errors.print("[bold red]The demo failed:[/] the LoRA did not improve on the base as it should")
    return improved
