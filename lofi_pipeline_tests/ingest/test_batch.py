"""A batch goes on: a worker that hangs, and one that crashes, each cost the track they were at and no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from lofi_pipeline.config import load_config
from lofi_pipeline.ingest import load_record, load_registry, pending_tracks
from lofi_pipeline.ingest.batch import time_limit
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, register, song
from lofi_pipeline_tests.ingest.test_process_track import run_and_signal

BATCH = """
import sys
from pathlib import Path
from lofi_pipeline.ingest import work_batch
from lofi_pipeline.ingest.batch import time_limit
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import settings

def little(root, track, config):
    return 3.0 if track.track_id == "track_001" else time_limit(root, track, config)

if __name__ == "__main__":
    root, config = DataRoot(Path(sys.argv[1])), settings(ingest={"workers": 2})
    for record in work_batch(root, config, sys.argv[2].split(","), time_limit=little):
        print(record.track_id, record.status, record.reason, flush=True)
"""


def test_a_worker_that_hangs_and_one_that_crashes_cost_one_track_each(root: DataRoot) -> None:
    files = {"a.wav": song(0), "b.wav": song(1), "c.wav": song(2), "words.txt": b"la la\n"}
    source = facts(files={"a.wav": {"lyrics": "words.txt", "style_ids": ["VOCAL-01"]}})
    folder = make_drop(root, "one", files, source)
    register(root)
    (folder / "words.txt").unlink()
    os.mkfifo(folder / "words.txt")  # nobody ever writes to it: whoever reads waits for ever
    ids = ["track_001", "track_002", "track_003"]
    command = [sys.executable, "-c", BATCH, str(root.path), ",".join(ids)]
    out = run_and_signal(command, root.track_records / ".track_002.json.lock", signal.SIGSEGV)
    records = [load_record(root, track_id) for track_id in ids]
    assert [record and record.status for record in records] == ["failed", "failed", "ok"], out
    reasons = [(record and record.reason) or "" for record in records]
    assert reasons[0].startswith("no end after 3 s of work over this file")
    assert "the worker process died over this file by SIGSEGV" in reasons[1]
    assert pending_tracks(root, load_config()) == ids[:2]


def test_the_time_limit_grows_with_the_file_and_has_an_end(root: DataRoot) -> None:
    drop = make_drop(root, "one", {"a.wav": song(0)}, facts())
    register(root)
    track, config = load_registry(root).tracks[0], load_config()
    usual = time_limit(root, track, config)
    assert usual > 60
    os.truncate(Path(drop) / "a.wav", 10 << 30)
    assert usual < time_limit(root, track, config) < 3600
    (Path(drop) / "a.wav").unlink()
    assert 0 < time_limit(root, track, config) < usual


TWO_BATCHES = """
import sys
from pathlib import Path
import psutil
from joblib import Parallel, delayed
from lofi_pipeline.processes import worker_processes
from lofi_pipeline.ingest import work_batch
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import settings

def loaded():
    import os, sys
    return os.getpid(), "scipy" in sys.modules, "numba" in sys.modules

if __name__ == "__main__":
    root, config = DataRoot(Path(sys.argv[1])), settings(ingest={"workers": 2})
    for batch in (["track_001", "track_002"], ["track_003", "track_004"]):
        records = list(work_batch(root, config, batch))
        workers = {child.pid for child in psutil.Process().children() if "loky" in " ".join(child.cmdline())}
        print(*[record.status for record in records], *sorted(workers))
    with worker_processes(2):
        print(*[item for found in Parallel()(delayed(loaded)() for _ in range(2)) for item in found])
"""


def test_workers_stay_warm_from_batch_to_batch_and_compile_nothing(root: DataRoot) -> None:
    make_drop(root, "one", {f"{number}.wav": song(number) for number in range(4)}, facts())
    register(root)
    found = subprocess.run(
        [sys.executable, "-c", TWO_BATCHES, str(root.path)], capture_output=True, text=True, check=True
    )
    first, second, inside = (line.split() for line in found.stdout.splitlines())
    assert first[:2] == second[:2] == ["ok", "ok"]
    assert len(first) >= 4 and first == second  # the very same processes
    # The last question was asked of these workers: they hold what the work needs, and nothing that numba would compile
    assert {inside[0], inside[3]} <= set(first[2:])
    assert inside[1::3] == ["True", "True"] and inside[2::3] == ["False", "False"]


def test_nothing_outlives_a_run_that_is_killed(root: DataRoot) -> None:
    make_drop(root, "one", {f"{number}.wav": song(number) for number in range(4)}, facts())
    command = (sys.executable, "-m", "lofi_pipeline.cli", "run", "--to", "raw_tracks", "--data", root.path)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not (root.track_records / ".track_001.json.lock").exists():
            assert run.poll() is None
            time.sleep(0.1)
        below = psutil.Process(run.pid).children(recursive=True)
        assert sum("loky" in " ".join(process.cmdline()) for process in below) >= 2
        run.kill()
    # Joblib's own workers would wait five minutes for more work
    deadline = time.monotonic() + 30
    while (alive := [process for process in below if goes_on(process)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in alive:
        process.kill()
    assert not alive


def goes_on(process: psutil.Process) -> bool:
    """Whether a process has not ended yet; nobody may clear it away."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
