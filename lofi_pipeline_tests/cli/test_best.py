"""`lofi generate` and the closing table of `lofi run` mean the same checkpoint by "best"."""

from __future__ import annotations

from rich.console import Console

from lofi_pipeline.cli.generate_clips import find_folder
from lofi_pipeline.cli.run_summary import show, summarize
from lofi_pipeline.config import load_config
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.test_best import scored


def test_scores_of_an_embedder_used_before_do_not_make_a_checkpoint_the_best(root: DataRoot) -> None:
    other = scored(root, 10, 0.1, embedder="clap")
    best = scored(root, 20, 0.3, days=1)
    scored(root, 30, 0.4, days=1)
    assert find_folder(root, "best") == best

    summary = summarize(root, load_config(), seconds={}, runs=0, reached={"lora_checkpoints"})
    assert summary.best_checkpoint == best.name and summary.embedder and "nano" in summary.embedder
    console = Console(width=200, record=True)
    show(summary, root, console)
    rows = {line.split("│")[1].strip(): line for line in console.export_text().splitlines() if "│" in line}
    assert "0.3000 best" in rows[best.name]
    assert "not to be compared" in rows[other.name] and "best" not in rows[other.name]
    said = summary.model_dump(mode="json", exclude_unset=True)["checkpoints"]
    assert [line.get("comparable", True) for line in said] == [False, True, True]
