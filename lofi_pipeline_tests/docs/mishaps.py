"""What people meet: for each entry of docs/troubleshooting.md a small accident, and the words that come of it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.config import EvaluationSettings, load_config
from lofi_pipeline.entities import SourceType, Split
from lofi_pipeline.ingest import register_sources
from lofi_pipeline.storage import DataRoot, in_words, read_json
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.audio import id3
from lofi_pipeline_tests.drops import CONTRACT, GRANT, TODAY, facts, make_drop, register, song, work

Mishap = Callable[[DataRoot], str]
HALVES = {"down": (2, 192), "up": (192, 2)}
"""Of a LoRA of one of nano's layers."""
MISHAPS: dict[str, Mishap] = {}
"""By the heading of the page."""


def mishap(heading: str) -> Callable[[Mishap], Mishap]:
    """Enter an accident under its heading."""

    def enter(make: Mishap) -> Mishap:
        MISHAPS[heading] = make
        return make

    return enter


def lofi(root: DataRoot, *arguments: object) -> str:
    """What `lofi` says: its output and the error it ends with, without the frames that are drawn around usage errors."""
    done = CliRunner().invoke(app, ["--data", str(root.path), *map(str, arguments)], env={"COLUMNS": "400"})
    assert done.exit_code != 0
    said = f"{done.output} {done.exception or ''}"
    return " ".join("".join(" " if letter in "│╭╮╰╯─" else letter for letter in said).split())


def error_of(action: Callable[[], object]) -> str:
    """The words of the error that an action ends with."""
    try:
        action()
    except Exception as error:
        return str(error)
    raise AssertionError("there was no error")


def refusals(root: DataRoot) -> str:
    """What registering says of the drops in a data root."""
    scan = register(root).scan
    said = [reason for _, reason in scan.refusals()]
    return "\n".join([*said, *(drop.edited for drop in scan.drops if drop.edited)])


def drop(root: DataRoot, source: dict[str, object] | str | None = None, *, name: str = "evening") -> str:
    """What registering says of a drop with one song and this source.json."""
    make_drop(root, name, {"evening.wav": song(0)}, source)
    return refusals(root)


@cache
def _bad_files() -> dict[str, str]:
    """By file name, why a track of a drop with all kinds of bad files was refused."""
    with TemporaryDirectory() as folder:
        root = DataRoot(Path(folder) / "data").create()
        short, sung = song(9, 5.0), song(1)
        silent = Path(folder) / "silent.wav"
        _silence(silent)
        files: dict[str, Path | bytes] = {
            "broken.mp3": b"this is no music" * 100,
            "short.wav": short,
            "silent.wav": silent,
            "sung.wav": sung,
        }
        make_drop(root, "bad", files, facts(files={"sung.wav": {"vocals": True}}))
        return {name: record.reason or "" for name, record in work(root).items()}


def _silence(path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(path, np.zeros((40 * 8000, 1)), 8000)


@mishap("A drop is waiting: source.json is missing")
def _(root: DataRoot) -> str:
    return drop(root)


@mishap("source.json is not JSON")
def _(root: DataRoot) -> str:
    return drop(root, "{source_id: northern}")


@mishap("A field of source.json is wrong or missing")
def _(root: DataRoot) -> str:
    return drop(root, facts(provider=None, licence="CC0 1.0"))


@mishap("A style is not known")
def _(root: DataRoot) -> str:
    return drop(root, facts(defaults={"style_ids": ["CORE-99"]}))


@mishap("The drop lies in the wrong folder")
def _(root: DataRoot) -> str:
    return drop(root, facts(SourceType.COMMISSIONED))


@mishap("The folder is no kind of source")
def _(root: DataRoot) -> str:
    (root.raw / "my music").mkdir()
    return refusals(root)


@mishap("Audio lies in no drop")
def _(root: DataRoot) -> str:
    (root.raw / "creative-commons" / "evening.wav").write_bytes(b"")
    return refusals(root)


@mishap("A file of a drop is not taken")
def _(root: DataRoot) -> str:
    make_drop(root, "northern", {"evening.wav": b"x", "album.zip": b"PK"}, facts())
    return refusals(root)


@mishap("A drop holds no audio")
def _(root: DataRoot) -> str:
    make_drop(root, "northern", {"cover.jpg": b"x"}, facts())
    return refusals(root)


@mishap("A file that source.json names is missing")
def _(root: DataRoot) -> str:
    return drop(root, facts(files={"morning.wav": {"title": "Morning"}}))


@mishap("The licence does not permit training")
def _(root: DataRoot) -> str:
    return drop(root, facts(license_type="CC BY-NC 4.0"))


@mishap("The licence is not recognised")
def _(root: DataRoot) -> str:
    return drop(root, facts(license_type="free for everybody"))


@mishap("A contract has no evidence")
def _(root: DataRoot) -> str:
    return drop(root, facts(license_type="AI Training Rights"))


@mishap("The document of evidence is missing")
def _(root: DataRoot) -> str:
    return drop(root, facts(license_type="AI Training Rights", grant=GRANT))


@mishap("The document of evidence is none")
def _(root: DataRoot) -> str:
    grant = {**GRANT, "evidence": [{"document": "contract.pdf"}]}
    files = {"evening.wav": song(0), "contract.pdf": CONTRACT["contract.txt"]}
    make_drop(root, "evening", files, facts(license_type="AI Training Rights", grant=grant))
    return refusals(root)


def _contract(root: DataRoot, **grant: object) -> str:
    source = facts(license_type="AI Training Rights", grant={**GRANT, **grant})
    make_drop(root, "evening", {"evening.wav": song(0), **CONTRACT}, source)
    return refusals(root)


@mishap("A contract does not say training outright")
def _(root: DataRoot) -> str:
    return _contract(root, uses={"commercial": "allowed"})


@mishap("A grant has a condition")
def _(root: DataRoot) -> str:
    return _contract(root, uses={"train": "constrained"}, constraints="for jazz only")


@mishap("A tag names another licence")
def _(root: DataRoot) -> str:
    said = id3.tag(id3.text_frame("TCOP", "licensed under CC BY-NC-ND 4.0"))
    make_drop(root, "evening", {"evening.mp3": said}, facts(license_type="CC BY 4.0"))
    return refusals(root)


@mishap("The grant has ended")
def _(root: DataRoot) -> str:
    grant = {**GRANT, "validity": {"end": str(TODAY - timedelta(days=1))}}
    make_drop(
        root,
        "evening",
        {"evening.wav": song(0), **CONTRACT},
        facts(license_type="AI Training Rights", grant=grant),
    )
    return refusals(root)


def _granted(root: DataRoot, end: date) -> None:
    """A drop of the source `northern`, whose licence rests on a grant until a day."""
    source = facts(
        source_id="northern",
        license_type="AI Training Rights",
        grant={**GRANT, "validity": {"end": str(end)}},
    )
    make_drop(root, "evening", {"evening.wav": song(0), **CONTRACT}, source)


def _judge(root: DataRoot, day: date | None = None) -> None:
    register_sources(root, load_config(), style_ids=set(load_presets()), day=day)


@mishap("The clock has leapt ahead")
def _(root: DataRoot) -> str:
    _granted(root, TODAY - timedelta(days=10))
    _judge(root, TODAY - timedelta(days=90))
    return error_of(lambda: _judge(root))


@mishap("A grant ended by a clock that was wrong")
def _(root: DataRoot) -> str:
    _granted(root, TODAY + timedelta(days=10))
    _judge(root, TODAY + timedelta(days=3650))
    return refusals(root)


@mishap("source.json was edited after its tracks were ingested")
def _(root: DataRoot) -> str:
    drop(root, facts())
    return drop(root, facts(provider="somebody else"))


@mishap("Two drops share a source_id")
def _(root: DataRoot) -> str:
    drop(root, facts())
    return drop(root, facts(provider="somebody else"), name="morning")


@mishap("The file is no audio")
def _(root: DataRoot) -> str:
    return _bad_files()["broken.mp3"]


@mishap("The track is too short")
def _(root: DataRoot) -> str:
    return _bad_files()["short.wav"]


@mishap("The track is silent")
def _(root: DataRoot) -> str:
    return _bad_files()["silent.wav"]


@mishap("Somebody sings, and there are no lyrics")
def _(root: DataRoot) -> str:
    return _bad_files()["sung.wav"]


@mishap("A setting is wrong")
def _(root: DataRoot) -> str:
    path = root.path / "pipeline.yaml"
    path.write_text("audio: {target_lufs: loud, loudness: -14}\ntraining: {presets: {}}\n", encoding="utf-8")
    return error_of(lambda: load_config(path))


@mishap("No track is ready for training")
def _(root: DataRoot) -> str:
    from lofi_pipeline.dataset import build_dataset

    return error_of(lambda: build_dataset(root, load_config()))


@mishap("There is no data set yet")
def _(root: DataRoot) -> str:
    from lofi_pipeline.dataset import load_version

    return error_of(lambda: load_version(root))


@mishap("A record is not readable")
def _(root: DataRoot) -> str:
    root.registry_json.write_text('{"tracks": [', encoding="utf-8")
    return error_of(lambda: read_json(root.registry_json))


@mishap("A record that protects was changed")
def _(root: DataRoot) -> str:
    drop(root, facts())
    register(root)
    root.claims_json.unlink()
    return error_of(lambda: register(root))


@mishap("What people said was changed behind the program's back")
def _(root: DataRoot) -> str:
    drop(root, facts())
    register(root)
    root.edits.mkdir()
    (root.edits / "track_001.jsonl").write_text("{}\n")
    return error_of(lambda: register(root))


@mishap("A private key is open to others")
def _(root: DataRoot) -> str:
    from lofi_pipeline.audit.signing import make_key, read_private_key

    path = root.path.parent / "audit-key"
    make_key(path, root)
    path.chmod(0o644)
    return error_of(lambda: read_private_key(path, root))


@mishap("The ledger of withdrawals was edited")
def _(root: DataRoot) -> str:
    from lofi_pipeline.licensing import withdraw

    drop(root, facts())
    withdraw(root, str(facts()["source_id"]), reason="asked to", day=TODAY)
    path = root.metadata / "withdrawals.json"
    path.write_text(path.read_text(encoding="utf-8").replace("asked to", "not asked to"), encoding="utf-8")
    return error_of(lambda: withdraw(root, str(facts()["source_id"]), reason="again", day=TODAY))


@mishap("The memory of what was refused was edited")
def _(root: DataRoot) -> str:
    drop(root, facts(license_type="CC BY-ND 4.0"))
    path = root.metadata / "remembered.json"
    path.write_text(path.read_text(encoding="utf-8").replace("CC BY-ND 4.0", "CC BY 4.0"), encoding="utf-8")
    return error_of(lambda: register(root))


@mishap("The same music was refused, or came under stricter terms")
def _(root: DataRoot) -> str:
    drop(root, facts(license_type="CC BY-NC-ND 4.0"))
    return drop(root, facts(license_type="CC BY 4.0"))


@mishap("The stage is not known")
def _(root: DataRoot) -> str:
    return lofi(root, "run", "--to", "training")


@mishap("The data root is no folder")
def _(root: DataRoot) -> str:
    file = root.path / "file"
    file.write_text("")
    return lofi(DataRoot(file), "run", "--to", "source_records")


@mishap("The data root does not exist")
def _(root: DataRoot) -> str:
    return lofi(DataRoot(root.path / "dta"), "run", "--to", "source_records")


@mishap("The base model is not there")
def _(root: DataRoot) -> str:
    from lofi_pipeline.training.bases import describe_base

    return error_of(lambda: describe_base("./acestep"))


@mishap("The base model is not in diffusers layout")
def _(root: DataRoot) -> str:
    from lofi_pipeline.training.bases import describe_base

    return error_of(lambda: describe_base(str(root.path)))


@mishap("The GPU has too little memory")
def _(root: DataRoot) -> str:
    from lofi_pipeline.training.bases import NANO_FOLDER
    from lofi_pipeline.training.device import TrainingMemory
    from lofi_pipeline.training.memory import Shape
    from lofi_pipeline.training.records import TrainingJob

    preset = load_config().training.presets["nano"]
    job = TrainingJob(data_root=root.path, dataset_hash="0" * 64, preset_name="nano", preset=preset)
    memory = TrainingMemory(Shape.of_base(NANO_FOLDER), job, [[(250, 100)]], "cpu")

    def no_room() -> None:
        with memory.faults_in_words(lambda: 0):
            raise MemoryError

    return error_of(no_room)


@mishap("The training was begun on another number of GPUs")
def _(root: DataRoot) -> str:
    from lofi_pipeline.training.accelerator import refuse_other_processes
    from lofi_pipeline.training.resume import TrainingState

    state = TrainingState(lineage="0" * 64, step=4, processes=2)
    return error_of(lambda: refuse_other_processes(state, end=6, here=1))


@mishap("The prompt is too long")
def _(root: DataRoot) -> str:
    from lofi_pipeline.training.prompt_length import check_prompt_length

    words = SimpleNamespace(  # a base model whose tokens are words
        tokenizer=lambda text: SimpleNamespace(input_ids=text.split()),
        _format_prompt=lambda prompt, **facts: (prompt, ""),
    )
    return error_of(lambda: check_prompt_length(cast(Any, words), "lofi, " * 300))


@mishap("No checkpoint was scored yet")
def _(root: DataRoot) -> str:
    return lofi(root, "generate", "--prompt", "lofi", "-o", root.path / "x.wav")


@mishap("The checkpoint is not known")
def _(root: DataRoot) -> str:
    return lofi(root, "generate", "--checkpoint", "mine", "--prompt", "lofi", "-o", root.path / "x.wav")


@mishap("The output is neither WAV nor FLAC")
def _(root: DataRoot) -> str:
    return lofi(root, "generate", "--prompt", "lofi", "-o", root.path / "x.mp3")


@mishap("A checkpoint that was copied in is not whole")
def _(root: DataRoot) -> str:
    from lofi_pipeline.checkpoints.manifest import read_record

    folder = root.checkpoint("epoch=0-step=500_lora")
    folder.mkdir()
    return error_of(lambda: read_record(folder))


@mishap("A LoRA of another program lies among the checkpoints")
def _(root: DataRoot) -> str:
    save_file(
        {"lora_unet_layers_0_self_attn_q_proj.lora_down.weight": np.zeros((1, 1))},
        root.checkpoints / "mine.safetensors",
    )
    done = CliRunner().invoke(app, ["--data", str(root.path), "status"])
    assert done.exit_code == 0
    return done.output


@mishap("A LoRA of another program does not say its alpha")
def _(root: DataRoot) -> str:
    name, path = "lora_unet_layers_0_self_attn_q_proj", root.path.parent / "theirs.safetensors"
    save_file({f"{name}.lora_{half}.weight": np.ones(shape) for half, shape in HALVES.items()}, path)
    done = CliRunner().invoke(app, ["--data", str(root.path), "import-lora", str(path)])
    return str(done.exception)


@mishap("An embedder's weights are missing")
def _(root: DataRoot) -> str:
    from lofi_pipeline.evaluation.embedders.files import require_weights

    settings = EvaluationSettings(embedder="vggish", weights_dir=str(root.path / "weights"))
    return error_of(lambda: require_weights(settings))


@mishap("An embedder's weights are not the published ones")
def _(root: DataRoot) -> str:
    from lofi_pipeline.evaluation.embedders.files import PANN_FILE, require_weights

    (root.path / "weights").mkdir()
    (root.path / "weights" / PANN_FILE).write_bytes(b"other weights")
    settings = EvaluationSettings(embedder="pann", weights_dir=str(root.path / "weights"))
    return error_of(lambda: require_weights(settings))


@mishap("The validation split is empty")
def _(root: DataRoot) -> str:
    from lofi_pipeline.dataset import build_dataset
    from lofi_pipeline.evaluation.reference import load_reference

    make_drop(root, "evening", {"evening.wav": song(0)}, facts())
    work(root)
    version = build_dataset(root, load_config()).version
    train = [item for item in version.tracks if item.track.split is Split.TRAIN]
    alone = version.model_copy(update={"tracks": train})
    return error_of(lambda: load_reference(root, alone, cast(Any, None), 5.0))


@mishap("The disk is full")
def _(root: DataRoot) -> str:
    return in_words(OSError(errno.ENOSPC, "", str(root.registry_json)))


@mishap("Music lies in the object store only")
def _(root: DataRoot) -> str:
    from lofi_pipeline.ingest import pending_tracks
    from lofi_pipeline.storage import kept_file, save_evicted

    original = make_drop(root, "evening", {"evening.wav": b"RIFF"}, facts()) / "evening.wav"
    save_evicted(root, "s3://label-music/lofi", {root.relative(original): kept_file(original)})
    original.unlink()
    return error_of(lambda: pending_tracks(root, load_config()))


@mishap("The disk is mounted read-only")
def _(root: DataRoot) -> str:
    return in_words(OSError(errno.EROFS, "", str(root.registry_json)))


@mishap("This user has no rights to a file")
def _(root: DataRoot) -> str:
    return in_words(PermissionError(errno.EACCES, "", str(root.registry_json)))


@mishap("A folder of a drop may not be looked into")
def _(root: DataRoot) -> str:
    from lofi_pipeline.ingest import scan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "closed_folder", lambda entries: ".")
        return drop(root, facts())


@mishap("Dagster's history is damaged")
def _(root: DataRoot) -> str:
    from lofi_pipeline.automation.history_faults import history_in_words

    path = root.dagster_home / "history" / "runs.db"
    path.parent.mkdir()
    path.write_bytes(b"no database")

    def look() -> None:
        with history_in_words(root):
            sqlite3.connect(path).execute("SELECT * FROM runs")

    return error_of(look)


@mishap("What is to be audited is not known")
def _(root: DataRoot) -> str:
    return lofi(root, "audit", "epoch=0-step=999_lora")


@mishap("A withdrawal has no reason")
def _(root: DataRoot) -> str:
    return lofi(root, "audit", "source", "northern-sessions-2025", "--withdraw")
