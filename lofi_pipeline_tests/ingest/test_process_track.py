"""One track's way: refusals and faults are told apart, what is unchanged is not done again, dying workers cost one track."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import lameenc
import psutil
import pytest

from lofi_pipeline import audio
from lofi_pipeline.audio.io.regular_file import RegularFile
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.entities import TrackRecord, TrackState, TrackStatus
from lofi_pipeline.ingest import (
    ProcessingContext,
    load_record,
    load_registry,
    needs_work,
    pending_tracks,
    work_on,
)
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work


def files_of(root: DataRoot) -> dict[str, int]:
    """Every file in the data root and when it was written."""
    return {
        str(path.relative_to(root.path)): path.stat().st_mtime_ns
        for path in root.path.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_each_track_has_its_own_outcome(worked_on: DataRoot) -> None:
    records = {record.filename: record for record in records_of(worked_on)}
    assert {name: record.status for name, record in records.items()} == {
        "a.wav": TrackStatus.OK,
        "b.wav": TrackStatus.OK,
        "c.wav": TrackStatus.OK,
        "d.wav": TrackStatus.OK,
        "short.wav": TrackStatus.REJECTED,
    }
    good, short = records["c.wav"], records["short.wav"]
    assert good.state is TrackState.TRAINING_READY
    assert good.processed and good.processed.audio_path == f"processed/seasonal/{good.track_id}.mp3"
    assert (worked_on.path / good.processed.audio_path).is_file()
    assert good.tagged and (worked_on.path / good.tagged.prompt_path).read_text() == good.tagged.prompt
    assert (short.failed_stage, short.state) == ("processed_audio", TrackState.RAW)
    assert "too short" in (short.reason or "")
    assert pending_tracks(worked_on, load_config()) == []


def test_a_track_is_decoded_and_encoded_once(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the MP3 is decoded once, to measure what it really holds; benchmarks/ingest.py counts the same on real lengths."""
    decoded: Counter[str] = Counter()
    encoders: list[lameenc.Encoder] = []
    open_, encoder = av.open, lameenc.Encoder

    def counting(file: RegularFile, **options: Any) -> Any:
        decoded[Path(file.name).parts[len(root.path.parts)]] += 1
        return open_(file, **options)

    monkeypatch.setattr(av, "open", counting)
    monkeypatch.setattr(lameenc, "Encoder", lambda: encoders.append(encoder()) or encoders[-1])
    make_drop(root, "drop", {"a.wav": song(0)}, facts())
    assert work(root, anew=True)["a.wav"].status is TrackStatus.OK
    assert (decoded, len(encoders)) == ({"raw": 1, "processed": 1}, 1)


def test_what_was_only_suggested_is_marked_for_review(root: DataRoot) -> None:
    named = facts(defaults={}, files={"b.wav": {"style_ids": ["CORE-01"]}})
    make_drop(root, "drop", {"a.wav": song(0), "b.wav": song(1)}, named)
    work(root)
    tagged = {record.filename: record.tagged for record in records_of(root)}
    suggested, declared = tagged["a.wav"], tagged["b.wav"]
    assert suggested and not suggested.styles_declared
    assert suggested.needs_review == (suggested.style_confidence < 0.6)
    assert declared and declared.styles_declared and not declared.needs_review


def records_of(root: DataRoot) -> list[TrackRecord]:
    found = [load_record(root, track.track_id) for track in load_registry(root).tracks]
    return [record for record in found if record]


def test_unchanged_work_is_not_done_again_and_lost_files_are_made_again(ready: DataRoot) -> None:
    before = files_of(ready)
    work(ready)
    assert files_of(ready) == before
    first = records_of(ready)[0]
    assert first.processed and first.tagged
    for lost in [ready.fingerprint(first.track_id), ready.inside(first.tagged.lyrics_path)]:
        lost.unlink()
        assert pending_tracks(ready, load_config()) == [first.track_id]
        work(ready, anew=True)
        assert lost.is_file()
    again = load_record(ready, first.track_id)
    assert again and again.processed == first.processed


def test_another_style_moves_the_files_without_another_encoding(ready: DataRoot) -> None:
    before = {record.filename: record for record in records_of(ready)}
    make_drop(ready, "first", {}, facts(defaults={"style_ids": ["THEME-02"]}))
    after = work(ready)
    assert after.pop("short.wav").status is TrackStatus.REJECTED
    for name, record in after.items():
        assert record.processed and record.processed.audio_path == f"processed/thematic/{record.track_id}.mp3"
        old, told = before[name].processed, before[name].tagged
        assert old and old.audio_sha256 == record.processed.audio_sha256
        assert not list((ready.processed / "core").glob(f"{record.track_id}*"))
        assert record.tagged and told and record.tagged.prompt != told.prompt


def test_other_audio_settings_encode_again_and_leave_nothing_behind(ready: DataRoot) -> None:
    config = settings(audio={"target_lufs": -18.0})
    make_drop(ready, "first", {}, facts(defaults={"style_ids": ["THEME-02"]}))
    record = work(ready, config)["a.wav"]
    assert record.processed and abs(record.processed.output_lufs + 18) < 0.5
    assert not list((ready.processed / "core").glob(f"{record.track_id}*"))


def test_lyrics_make_a_track_vocal_unless_the_drop_says_otherwise(root: DataRoot) -> None:
    files = {"sung.wav": song(0), "silent.wav": song(1), "empty.wav": song(2), "wordless.wav": song(3)}
    words = {"words.txt": b"la la\n", "none.txt": b"[Instrumental]\n"}
    source = facts(
        files={
            "sung.wav": {"lyrics": "words.txt", "style_ids": ["VOCAL-01"]},
            "silent.wav": {"lyrics": "words.txt", "vocals": False},
            "empty.wav": {"lyrics": "none.txt"},
            "wordless.wav": {"vocals": True},
        }
    )
    make_drop(root, "songs", {**files, **words}, source)
    found = work(root)
    tagged = {name: record.tagged for name, record in found.items()}
    assert tagged["sung.wav"] and tagged["sung.wav"].lyrics == "la la"
    assert "instrumental" not in tagged["sung.wav"].prompt
    assert tagged["silent.wav"] and tagged["silent.wav"].prompt.endswith("instrumental")
    assert tagged["empty.wav"] and tagged["empty.wav"].lyrics == "[Instrumental]"
    assert found["wordless.wav"].status is TrackStatus.REJECTED
    assert "vocal track without lyrics" in (found["wordless.wav"].reason or "")
    make_drop(root, "songs", {"words.txt": b"other words\n"})
    assert load_registry(root).by_id()["track_003"].lyrics_sha256
    register(root)
    assert len(pending_tracks(root, load_config())) == 2  # both that name the file


def test_the_times_of_an_lrc_are_kept_beside_the_words_and_rich_text_is_refused(root: DataRoot) -> None:
    words = {
        "a.lrc": b"[ti:Rain]\n[00:01.50][verse]\n[00:02.00]Rain on the window\n",
        "b.txt": rb"{\rtf1 Rain\par}",
    }
    source = facts(
        defaults={"style_ids": ["VOCAL-01"]},
        files={"a.wav": {"lyrics": "a.lrc"}, "b.wav": {"lyrics": "b.txt"}},
    )
    make_drop(root, "songs", {"a.wav": song(0), "b.wav": song(1), **words}, source)
    found = work(root)
    tagged = found["a.wav"].tagged
    assert tagged and tagged.lyrics == "[Verse]\nRain on the window"
    assert root.inside(tagged.lyrics_path).read_text() == tagged.lyrics
    assert tagged.lyrics_timing and tagged.lyrics_timing.headers == {"ti": "Rain"}
    assert [line.seconds for line in tagged.lyrics_timing.lines] == [1.5, 2.0]
    assert found["b.wav"].status is TrackStatus.REJECTED
    assert "b.txt: the lyrics file is rich text (RTF)" in (found["b.wav"].reason or "")


def test_a_file_that_changed_after_it_was_registered_waits_for_the_next_scan(ready: DataRoot) -> None:
    track = load_registry(ready).tracks[0]
    path = ready.inside(track.origins[0].path)
    context = ProcessingContext.open(settings(audio={"target_lufs": -15.0}))
    for change in (lambda: path.write_bytes(b"other"), lambda: (path.unlink(), os.mkfifo(path))):
        change()
        record = work_on(ready, track, context)
        assert record.status is TrackStatus.FAILED
        assert "changed since it was registered" in (record.reason or "")
        ready.track_record(track.track_id).unlink()


def test_an_original_that_is_put_back_is_worked_on(root: DataRoot) -> None:
    config = load_config()
    make_drop(root, "one", {"a.wav": song(0)}, facts())
    track = register(root, config).registry.tracks[0]
    make_drop(root, "one", {"a.wav": song(1)})
    context = ProcessingContext.open(config)
    assert work_on(root, track, context).status is TrackStatus.FAILED
    make_drop(root, "one", {"a.wav": song(0)})
    (track,) = register(root, config).registry.tracks
    assert needs_work(root, track, context)
    assert work_on(root, track, context).status is TrackStatus.OK


def test_an_original_that_is_replaced_while_it_is_decoded_makes_no_track(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config()
    make_drop(root, "one", {"a.wav": song(0)}, facts())
    track = register(root, config).registry.tracks[0]
    decode = audio.process

    def replaced_meanwhile(*arguments: Any) -> Any:
        make_drop(root, "one", {"a.wav": song(1)})
        return decode(*arguments)

    monkeypatch.setattr(audio, "process", replaced_meanwhile)
    record = work_on(root, track, ProcessingContext.open(config))
    assert (record.status, record.processed) == (TrackStatus.FAILED, None)
    assert "a.wav: changed while it was worked on; scan the drops again" in (record.reason or "")
    monkeypatch.undo()
    scanned = register(root, config).registry
    assert [bool(known.origins) for known in scanned.tracks] == [False, True]


def fault(root: DataRoot, track_id: str, config: PipelineConfig) -> TrackRecord:
    """Make the next work on a track fail for no reason of its own: its original is gone."""
    track = load_registry(root).by_id()[track_id]
    path = root.inside(track.origins[0].path)
    aside = path.with_name(f".{path.name}")
    path.rename(aside)
    record = work_on(root, track, ProcessingContext.open(config))
    aside.rename(path)
    return record


def test_faults_are_tried_again_until_it_is_enough_or_the_input_changes(root: DataRoot) -> None:
    config = load_config()
    make_drop(root, "one", {"a.wav": song(0)}, facts())
    track = register(root, config).registry.tracks[0]
    for attempt in range(1, config.ingest.max_attempts + 1):
        assert pending_tracks(root, config) == ["track_001"]
        record = fault(root, "track_001", config)
        assert (record.status, record.attempts) == (TrackStatus.FAILED, attempt)
        assert "FileNotFoundError" in (record.reason or "")
    assert pending_tracks(root, config) == []
    assert pending_tracks(root, settings(audio={"target_lufs": -15.0})) == ["track_001"]
    # Asked for by hand it is tried once more.
    record = work_on(root, track, ProcessingContext.open(config))
    assert record.status is TrackStatus.OK
    assert not needs_work(root, track, ProcessingContext.open(config))


BATCH = """
import sys
from pathlib import Path
from lofi_pipeline.ingest import work_batch
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import settings
if __name__ == "__main__":
    root = DataRoot(Path(sys.argv[1]))
    for record in work_batch(root, settings(ingest={"workers": int(sys.argv[2])}), sys.argv[3].split(",")):
        print(record.track_id, record.status, record.reason, flush=True)
"""


def holders(process: psutil.Process, lock: Path) -> list[psutil.Process]:
    """The processes below `process` that have the lock file of a track open: that work on it."""
    found = []
    for child in process.children(recursive=True):
        with suppress(OSError, psutil.Error):
            opened = [os.readlink(link) for link in Path(f"/proc/{child.pid}/fd").iterdir()]
            found += [child] if str(lock) in opened else []
    return found


def run_and_signal(command: list[str], lock: Path, number: signal.Signals) -> str:
    """What a command prints while every process below it that works on the track of this lock gets a signal."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    over = threading.Event()

    def signal_the_holders() -> None:
        while not over.wait(0.02):
            with suppress(psutil.Error):
                for worker in holders(psutil.Process(process.pid), lock):
                    worker.send_signal(number)

    sender = threading.Thread(target=signal_the_holders)
    sender.start()
    with process.stdout:
        out = process.stdout.read()
    over.set()
    sender.join()
    assert process.wait() == 0
    return out


def test_a_worker_that_dies_costs_its_own_track_alone(root: DataRoot) -> None:
    make_drop(root, "one", {f"{name}.wav": song(n) for n, name in enumerate("ab")}, facts())
    register(root)
    ids = ["track_001", "track_002"]
    command = [sys.executable, "-c", BATCH, str(root.path), "2", ",".join(ids)]
    out = run_and_signal(command, root.track_records / ".track_002.json.lock", signal.SIGKILL)
    records = {record.track_id: record for record in records_of(root)}
    assert [records[track_id].status for track_id in ids] == ["ok", "failed"], out
    assert "the worker process died over this file" in (records["track_002"].reason or "")
    assert records["track_002"].attempts == 1
    assert pending_tracks(root, load_config()) == ["track_002"]


FULL = """
import resource, signal, sys
from pathlib import Path
from lofi_pipeline.ingest import ProcessingContext, load_registry, work_on
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.config import load_config
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root = DataRoot(Path(sys.argv[1]))
track = load_registry(root).tracks[-1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    work_on(root, track, ProcessingContext.open(load_config()))
except OSError as error:
    print("full:", error)
"""


@pytest.mark.parametrize("limit", [100_000, 4_000], ids=["in the MP3", "in a record"])
def test_a_full_disk_leaves_no_half_written_file_and_blames_no_track(ready: DataRoot, limit: int) -> None:
    make_drop(ready, "third", {"e.wav": song(4)}, facts(source_id="third"))
    register(ready)
    before = files_of(ready)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(ready.path), str(limit)], capture_output=True, text=True, check=True
    )
    assert "full:" in done.stdout
    assert "File too large" in done.stdout
    after = files_of(ready)
    assert after == before
    assert pending_tracks(ready, load_config()) == ["track_006"]
    assert work(ready)["e.wav"].status is TrackStatus.OK
