"""Thousands of drops: the log stays one that a person reads, and its lines do not take longer than the work."""

import dagster as dg

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.assets.test_tracks import run
from lofi_pipeline_tests.drops import facts, make_drop


def test_the_log_names_the_first_drops_that_wait_and_where_all_are(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    lines = []
    for drops in (range(25), range(25, 60)):
        for number in drops:
            make_drop(root, f"good-{number}", {"a.mp3": b"%d" % number}, facts(source_id=f"good-{number}"))
            make_drop(root, f"waits-{number}", {"a.mp3": b"x"})
        result = run(instance, "register")
        assert result.success
        lines.append([entry.user_message for entry in instance.all_logs(result.run_id)])
    assert len(lines[0]) == len(lines[1])
    assert sum("waits-" in line and "incomplete" in line for line in lines[1]) == 20
    assert any(f"and 40 more like these; {root.drops_json} has them all" in line for line in lines[1])
