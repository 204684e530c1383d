"""A file that is not taken is seen: in the check, the log and the closing table, with nothing that a terminal would obey."""

import io

import dagster as dg

from lofi_pipeline.cli.console import SafeConsole
from lofi_pipeline.cli.run_summary import show, summarize
from lofi_pipeline.config import load_config
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.assets.test_tracks import run
from lofi_pipeline_tests.drops import facts, make_drop

CHECK = "every_file_is_taken_or_known"


def test_what_is_not_taken_is_in_the_check_the_log_and_the_closing_table(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    make_drop(root, "mixed", {"a.mp3": b"x", "score\x1b[2J.mid": b"y", "cover.jpg": b"z"}, facts())
    result = run(instance, "register")
    check = next(each for each in result.get_asset_check_evaluations() if each.check_name == CHECK)
    assert not check.passed
    assert "holds notes" in str(check.metadata["refused"].value)
    assert check.metadata["go_with_audio"].value == "1 picture"
    event = instance.get_latest_materialization_event(dg.AssetKey("source_records"))
    assert event and event.asset_materialization
    assert "1 picture" in str(event.asset_materialization.metadata["table"].value)
    lines = [
        entry.user_message
        for entry in instance.all_logs(result.run_id)
        if "holds notes" in entry.user_message
    ]
    assert len(lines) == 1 and "\x1b" not in lines[0]

    out = io.StringIO()
    summary = summarize(root, load_config(), seconds={}, runs=1, reached=set())
    show(summary, root, SafeConsole(file=out, width=200, force_terminal=False))
    shown = out.getvalue()
    assert "score" in shown and "holds notes, not sound; convert it" in shown and "\x1b" not in shown
    assert "Not music, and known to go with it: 1 picture" in shown

    (root.raw / "creative-commons" / "mixed" / "score\x1b[2J.mid").unlink()
    result = run(instance, "register")
    assert next(each for each in result.get_asset_check_evaluations() if each.check_name == CHECK).passed
