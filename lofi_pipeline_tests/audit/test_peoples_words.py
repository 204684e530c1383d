"""What people said of tracks and checkpoints decides, so nothing but what they said by a command or in the studio counts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.votes import add_vote, session_path, votes_path
from lofi_pipeline.cli.app import app
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import BlindSession, FindingCode, RecordError, Side, Vote, now
from lofi_pipeline.evaluation.blind import end
from lofi_pipeline.review import edits_path, review_of
from lofi_pipeline.storage import DataRoot, ledger_path, read_ledger, read_record, write_json_atomic
from lofi_pipeline.storage.ledger import ANNOUNCED, append_to_ledger
from lofi_pipeline.storage.peoples_words import write_word
from lofi_pipeline.storage.sealed import sealed_digest
from lofi_pipeline_tests.drops import work

SESSION = "0123456789ab"
EDITED = "track_001"
CHECKPOINT = "epoch=0-step=60_lora"
Tampering = Callable[[Path], object]


def cli(root: DataRoot, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(root.path)])


def said(root: DataRoot, *arguments: str) -> None:
    result = cli(root, *arguments)
    assert result.exit_code == 0, result.output


def vote(root: DataRoot, clip: int) -> Vote:
    key = scan_checkpoints(root)[0].key
    base = f"{key.partition('-')[0]}-step000000"
    return Vote(
        session=SESSION,
        who="Ada",
        when=now(),
        one=key,
        other=base,
        prompt="lofi",
        seed=clip,
        heard_as_a=base,
        side=Side.B,
    )


def compare(root: DataRoot) -> None:
    """A comparison from its beginning to its end."""
    first = vote(root, 0)
    session = BlindSession.parse(
        {
            "session": SESSION,
            "who": "Ada",
            "one": first.one,
            "other": first.other,
            "started": now(),
            "secret": "0" * 32,
            "clips": 8,
        },
        where="comparison",
    )
    write_word(root, session_path(root, SESSION), session)
    for clip in range(8):
        add_vote(root, vote(root, clip))
    end(root, session)


def edit(root: DataRoot, bpm: int) -> None:
    said(root, "review", "edit", EDITED, "--bpm", str(bpm), "--who", "kim")


@pytest.fixture(scope="module")
def spoken_once(audited: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Two edits of a track, a checkpoint that is kept and pinned, votes. Do not change it."""
    folder = tmp_path_factory.mktemp("spoken")
    root = DataRoot(folder / "data")
    shutil.copytree(audited.path, root.path)
    edit(root, 91)
    said(root, "scores", "--keep", "60", "--why", "for the film")
    add_vote(root, vote(root, 9))
    for where in FILES.values():
        if where(root).exists():
            shutil.copy2(where(root), folder / where(root).name)
    edit(root, 92)
    said(root, "scores", "--pin", "60", "--why", "warmest bass")
    compare(root)
    work(root)
    build_dataset(root, load_config())
    return root


@pytest.fixture
def spoken(spoken_once: DataRoot, tmp_path: Path) -> DataRoot:
    shutil.copytree(spoken_once.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


FILES: dict[str, Callable[[DataRoot], Path]] = {
    "edits": lambda root: edits_path(root, EDITED),
    "votes": lambda root: votes_path(root, vote(root, 0).one, vote(root, 0).other),
    "session": lambda root: session_path(root, SESSION),
    "pins": lambda root: root.pins_json,
}
OLD, NEW = (
    {
        "edits": b'"after":92',
        "votes": b'"side":"B"',
        "session": b'"ended": "2',
        "pins": b"warmest bass",
    },
    {
        "edits": b'"after":93',
        "votes": b'"side":"A"',
        "session": b'"ended": "3',
        "pins": b"coldest bass",
    },
)


def changed(name: str) -> Tampering:
    def change(path: Path) -> None:
        before = path.read_bytes()
        path.write_bytes(before.replace(OLD[name], NEW[name], 1))
        assert path.read_bytes() != before

    return change


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")


def doubled(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))


TAMPERINGS: dict[str, tuple[str, Tampering]] = {
    **{f"{name} changed": (name, changed(name)) for name in FILES},
    **{f"{name} removed": (name, Path.unlink) for name in FILES},
    **{f"{name} emptied": (name, lambda path: path.write_bytes(b"")) for name in FILES},
    "edits without the last": ("edits", cut_short),
    "a vote more": ("votes", doubled),
    "votes but the first removed": ("votes", cut_short),
}


def refused_by_all(root: DataRoot, where: str) -> None:
    """The build, an audit and a check name the file; what goes by votes and pins refuses, too."""
    before = root.dataset_manifest_json.read_bytes()
    with pytest.raises(RecordError) as refused:
        build_dataset(root, load_config())
    assert where in str(refused.value) and "lofi fsck --repair" in str(refused.value)
    assert root.dataset_manifest_json.read_bytes() == before
    audit = cli(root, "audit", CHECKPOINT)
    assert audit.exit_code != 0 and where in audit.output.replace("\n", "")
    assert where in {finding.where for finding in check_data_root(root).findings}
    if not where.startswith("metadata/edits"):
        for command in (("scores",), ("scores", "--unpin", "60")):
            shown = cli(root, *command)
            assert shown.exit_code != 0 and where in str(shown.exception or shown.output)


@pytest.mark.parametrize("case", TAMPERINGS)
def test_words_that_were_changed_behind_our_back_are_named_and_count_for_nothing(
    spoken: DataRoot, case: str
) -> None:
    name, tamper = TAMPERINGS[case]
    path = FILES[name](spoken)
    tamper(path)
    refused_by_all(spoken, spoken.relative(path))


@pytest.mark.parametrize("name", FILES)
def test_words_that_were_put_back_to_an_older_state_are_named(
    spoken: DataRoot, spoken_once: DataRoot, name: str
) -> None:
    path = FILES[name](spoken)
    older = spoken_once.path.parent / path.name
    if name == "session":  # it had not ended
        older = spoken.path / "older"
        session = read_record(BlindSession, path)
        write_json_atomic(older, session.model_copy(update={"ended": None}))
    shutil.copy2(older, path)
    refused_by_all(spoken, spoken.relative(path))


def test_words_that_nobody_said_are_named_where_nobody_said_any(
    data: DataRoot, spoken_once: DataRoot
) -> None:
    for name, where in FILES.items():
        path = where(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(FILES[name](spoken_once), path)
        refused_by_all(data, data.relative(path))
        path.unlink()
    build_dataset(data, load_config())


def test_an_edit_is_not_added_to_edits_that_were_changed(spoken: DataRoot) -> None:
    changed("edits")(edits_path(spoken, EDITED))
    before = edits_path(spoken, EDITED).read_bytes()
    result = cli(spoken, "review", "edit", EDITED, "--bpm", "90", "--who", "kim")
    assert result.exit_code != 0 and "is not the list that was sealed" in str(
        result.exception or result.output
    )
    assert edits_path(spoken, EDITED).read_bytes() == before


def test_what_was_said_is_taken_back_by_commands(spoken: DataRoot) -> None:
    for _ in range(2):
        said(spoken, "review", "undo", EDITED, "--who", "kim")
    said(spoken, "scores", "--unpin", "60")
    said(spoken, "scores", "--let-go", "60")
    assert review_of(spoken, EDITED) is None
    work(spoken)
    build_dataset(spoken, load_config())
    assert cli(spoken, "audit", CHECKPOINT).exit_code == 0
    assert not [it for it in check_data_root(spoken).findings if it.severity == "error"]


@pytest.mark.parametrize("case", TAMPERINGS)
def test_fsck_sets_aside_what_people_did_not_say_and_keeps_what_was_sealed(
    spoken: DataRoot, case: str
) -> None:
    name, tamper = TAMPERINGS[case]
    path = FILES[name](spoken)
    sealed = path.read_bytes()
    tamper(path)
    left = path.read_bytes() if path.exists() else None
    report = check_data_root(spoken, repair=True)
    assert any(spoken.relative(path) in done for done in report.repaired)
    aside = [it.read_bytes() for it in (spoken.metadata / "set_aside").glob("*")]
    assert aside == ([] if left is None else [left])
    assert path.read_bytes() == sealed if case == "a vote more" else not path.exists()
    work(spoken)
    build_dataset(spoken, load_config())
    assert not [it for it in check_data_root(spoken).findings if it.severity == "error"]
    edit(spoken, 99)
    said(spoken, "scores", "--pin", "60", "--why", "all the same")
    add_vote(spoken, vote(spoken, 20))
    build_dataset(spoken, load_config())


SPEAKING: dict[str, Callable[[DataRoot], None]] = {
    "edits": lambda root: edit(root, 88),
    "votes": lambda root: add_vote(root, vote(root, 30)),
    "pins": lambda root: said(root, "scores", "--unpin", "60"),
}


@pytest.mark.parametrize("name", SPEAKING)
@pytest.mark.parametrize("written", [False, True])
def test_who_was_killed_before_the_seal_has_said_what_is_written(
    spoken: DataRoot, name: str, written: bool
) -> None:
    path, ledger = FILES[name](spoken), ledger_path(spoken)
    where, kept, before = spoken.relative(path), ledger.read_bytes(), path.read_bytes()
    SPEAKING[name](spoken)
    announced = {f"{ANNOUNCED}{where}": sealed_digest(path)}
    ledger.write_bytes(kept)
    append_to_ledger(spoken, announced)
    if not written:
        path.write_bytes(before)
    work(spoken)
    build_dataset(spoken, load_config())
    assert read_ledger(spoken).hashes[where] == sealed_digest(path)
    assert not [it for it in check_data_root(spoken).findings if it.severity == "error"]


def test_words_of_an_earlier_version_count_and_are_sealed_with_the_next_word(spoken: DataRoot) -> None:
    ledger_path(spoken).unlink()
    for name in ("drops", "built_from"):  # which knew the ledger
        (spoken.metadata / f"{name}.json").unlink()
    before = edits_path(spoken, EDITED).read_bytes()
    work(spoken)
    build_dataset(spoken, load_config())
    assert review_of(spoken, EDITED) and scan_checkpoints(spoken)[0].pin
    assert edits_path(spoken, EDITED).read_bytes() == before
    told = [it.sentence for it in check_data_root(spoken).findings if it.code is FindingCode.NOT_SEALED]
    assert any("metadata/edits/track_001.jsonl" in it and "never sealed" in it for it in told)
    said(spoken, "review", "edit", "track_002", "--bpm", "90", "--who", "kim")
    changed("edits")(edits_path(spoken, EDITED))
    with pytest.raises(RecordError, match="track_001.jsonl: is not what was sealed"):
        build_dataset(spoken, load_config())
