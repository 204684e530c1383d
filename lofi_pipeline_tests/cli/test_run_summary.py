"""The closing tables of a run, where there is more to tell than anybody reads."""

import io

from rich.console import Console

from lofi_pipeline.cli.run_summary import MOST_ROWS, RefusedLine, Summary, show
from lofi_pipeline.storage import DataRoot


def shown(root: DataRoot, refused: int) -> str:
    out = io.StringIO()
    lines = [RefusedLine(file=f"file-{number}.mp3", reason="no licence") for number in range(refused)]
    show(Summary(refused=lines), root, Console(file=out, width=100))
    return out.getvalue()


def test_the_first_refusals_are_shown_and_the_rest_counted(root: DataRoot) -> None:
    every, some = shown(root, MOST_ROWS), shown(root, MOST_ROWS + 99_000)
    assert f"file-{MOST_ROWS - 1}.mp3" in every and "more" not in every
    assert f"file-{MOST_ROWS}.mp3" not in some
    assert "and 99000 more" in some and "--json FILE" in some
