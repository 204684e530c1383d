"""What was refused, removed or withdrawn is known again by its recording: re-encoded, cut, slowed, mixed, under any licence.

The bytes alone are tried in ingest/test_laundering.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline.dataset import BuiltDataset, build_dataset, dataset_is_current
from lofi_pipeline.entities import SourceType
from lofi_pipeline.ingest import load_refused, pending_tracks
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.dataset.pieces import at_speed, mixed, piece, seconds, write
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work

COPIES: dict[str, tuple[str, Callable[[], np.ndarray], str]] = {
    "quieter.ogg": ("rain", lambda: 0.4 * piece("rain"), "the same recording as"),
    "encoded.mp3": ("rain", lambda: piece("rain"), "the same recording as"),
    "trimmed.flac": ("rain", lambda: seconds(piece("rain"), 1.5, 33.0), "the same recording as"),
    "slowed.flac": ("rain", lambda: at_speed(piece("rain"), 0.92), "the same recording as"),
    "medley.flac": (
        "rain",
        lambda: np.concatenate([seconds(piece("rain"), 5, 25), seconds(piece("fog"), 3, 24)], axis=1),
        "holds a part of",
    ),
    "mash-up.flac": ("rain", lambda: mixed("rain", "fog", 0.35), "holds a part of"),
    "softer.mp3": ("snow", lambda: 0.5 * piece("snow"), "the same recording as"),
    "shorter.ogg": ("snow", lambda: seconds(piece("snow"), 0.0, 31.0), "the same recording as"),
}
"""By file name: what it is a copy of, its samples, and how it is told."""
FORMER = {"rain": "CC BY-NC-ND 4.0", "snow": "CC BY 4.0"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """One piece was refused, one taken and then removed, and two others are there. Do not change it."""
    folder = tmp_path_factory.mktemp("before")
    root = DataRoot(folder / "data").create()
    for name, licence in FORMER.items():
        files = {f"{name}.flac": write(folder, f"{name}.flac", piece(name))}
        make_drop(root, name, files, facts(source_id=name, license_type=licence, provider="Ann"))
    make_drop(root, "others", {"x.wav": song(1), "y.wav": song(3)}, facts(source_id="others"))
    work(root)
    build_dataset(root, settings())
    for name in FORMER:
        shutil.rmtree(root.raw / "creative-commons" / name)
    return root


@pytest.fixture(scope="module")
def attacked(before: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataRoot, BuiltDataset]:
    """Every copy comes as CC0 from somebody else, after the originals are gone; what was built then."""
    folder = tmp_path_factory.mktemp("attacked")
    shutil.copytree(before.path, folder / "data")
    root = DataRoot(folder / "data")
    for number, (name, (_, samples, _)) in enumerate(COPIES.items()):
        given = facts(source_id=f"copy {number}", provider="Bob")
        make_drop(root, f"copy-{number}", {name: write(folder, name, samples())}, given)
    make_drop(root, "free", {"fog.flac": write(folder, "fog.flac", piece("fog"))}, facts(source_id="free"))
    work(root)
    return root, build_dataset(root, settings())


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_what_was_refused_or_removed_keeps_the_stricter_terms(
    attacked: tuple[DataRoot, BuiltDataset], name: str
) -> None:
    _, built = attacked
    of, _, told = COPIES[name]
    (reason,) = {item.reason for item in built.left_out if item.file.endswith(f"/{name}")}
    assert reason.startswith(told), reason
    for said in (
        f"came as {FORMER[of]!r} from the source {of!r}",
        '"supersedes"',
        "similarity",
        "contradiction",
    ):
        assert said in reason, reason


def test_what_is_no_copy_is_taken_and_a_second_build_does_nothing(
    attacked: tuple[DataRoot, BuiltDataset],
) -> None:
    root, built = attacked
    assert {item.track.filename for item in built.version.tracks} == {"fog.flac", "x.wav", "y.wav"}
    assert dataset_is_current(root, settings())
    assert not build_dataset(root, settings()).is_new
    assert not pending_tracks(root, settings())


def test_refused_music_is_listened_to_and_nothing_else_is_made_of_it(before: DataRoot) -> None:
    (refused,) = load_refused(before)
    assert (refused.path, refused.reason) == ("raw/creative-commons/rain/rain.flac", None)
    made = [path for path in before.path.rglob(f"*{refused.recording_id}*") if path.suffix != ".lock"]
    assert made == [before.fingerprint(refused.recording_id)]


@pytest.fixture
def root(before: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `before`."""
    shutil.copytree(before.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def names(built: BuiltDataset) -> set[str]:
    return {item.track.filename for item in built.version.tracks}


def test_a_copy_that_supersedes_the_record_with_a_document_is_taken(root: DataRoot, tmp_path: Path) -> None:
    files = {"rain.mp3": write(tmp_path, "rain.mp3", piece("rain"))}
    given = facts(source_id="ann", provider="Ann")
    make_drop(root, "ann", files, given)
    work(root)
    built = build_dataset(root, settings())
    assert "rain.mp3" not in names(built)
    (reason,) = {item.reason for item in built.left_out if item.file.endswith("rain.mp3")}
    record = reason.split('"record": "')[1].split('"')[0]
    proved = [{"record": record, "evidence": [{"document": "letter.txt"}]}]
    make_drop(root, "ann", {"letter.txt": b"CC0 from now on. Ann\n"}, {**given, "supersedes": proved})
    register(root)
    assert not dataset_is_current(root, settings())
    assert "rain.mp3" in names(build_dataset(root, settings()))


def test_a_copy_of_a_withdrawn_recording_stays_out_by_way_of_other_copies(
    root: DataRoot, tmp_path: Path
) -> None:
    """Of three, each is told to be the same as the next; the first is withdrawn, and the second lies nowhere any more."""
    chain = [seconds(piece("fog"), 0, 34), at_speed(piece("fog"), 0.9), at_speed(piece("fog"), 0.81)]
    for number, samples in enumerate(chain):
        files = {f"fog-{number}.flac": write(tmp_path, f"fog-{number}.flac", samples)}
        make_drop(root, f"fog-{number}", files, facts(source_id=f"fog {number}"))
    work(root)
    assert names(build_dataset(root, settings())) & {"fog-0.flac", "fog-1.flac", "fog-2.flac"} == {
        "fog-0.flac"
    }
    shutil.rmtree(root.raw / "creative-commons" / "fog-1")
    withdraw(root, "fog 0", reason="she asked", day=date.today())
    register(root)
    built = build_dataset(root, settings())
    assert names(built) == {"x.wav", "y.wav"}
    reasons = {item.file: item.reason for item in built.left_out}
    assert "she asked" in reasons["creative-commons/fog-2/fog-2.flac"]


def test_the_stricter_of_two_that_are_there_holds_whichever_came_first(
    root: DataRoot, tmp_path: Path
) -> None:
    for name, licence in (("first", "CC0 1.0"), ("second", "CC BY 4.0")):
        samples = piece("fog") if name == "first" else 0.5 * piece("fog")
        files = {f"{name}.flac": write(tmp_path, f"{name}.flac", samples)}
        make_drop(root, name, files, facts(source_id=name, license_type=licence))
        work(root)
    built = build_dataset(root, settings())
    assert {item.track.filename: item.licence for item in built.version.tracks}["second.flac"] == "CC-BY-4.0"
    assert "first.flac" not in names(built)


def test_an_old_data_root_listens_to_what_it_refused_once(root: DataRoot, tmp_path: Path) -> None:
    folder = make_drop(
        root,
        "closed",
        {"fog.flac": write(tmp_path, "fog.flac", piece("fog"))},
        facts(source_id="closed", license_type="CC BY-NC 4.0"),
    )
    register(root)
    assert not dataset_is_current(root, settings())
    build_dataset(root, settings())
    assert dataset_is_current(root, settings())
    assert [it.path.rsplit("/", 1)[1] for it in load_refused(root)] == ["rain.flac", "fog.flac"]
    shutil.rmtree(folder)
    kind = SourceType.ROYALTY_FREE
    make_drop(
        root,
        "open",
        {"fog.mp3": write(tmp_path, "fog.mp3", piece("fog"))},
        facts(kind, source_id="open"),
        kind=kind,
    )
    work(root)
    assert "fog.mp3" not in names(build_dataset(root, settings()))


def test_a_refused_file_that_is_no_music_is_recorded_with_the_reason_and_not_tried_again(
    root: DataRoot,
) -> None:
    make_drop(root, "closed", {"no.flac": b"no music"}, facts(source_id="no", license_type="CC BY-ND 4.0"))
    register(root)
    build_dataset(root, settings())
    *_, last = load_refused(root)
    assert last.fingerprint is None and "no decodable audio" in (last.reason or "")
    assert dataset_is_current(root, settings())


def test_a_stricter_edit_that_was_undone_bars_nothing(root: DataRoot) -> None:
    for licence in ("CC BY-NC 4.0", "CC0 1.0"):
        make_drop(root, "others", {}, facts(source_id="others", license_type=licence))
        register(root)
    assert names(build_dataset(root, settings())) == {"x.wav", "y.wav"}
