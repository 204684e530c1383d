"""`lofi scores`: what scripts read of a lineage's scores, with and without the errors that earlier versions did not measure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.compare import errors_apart
from lofi_pipeline.checkpoints.kept import kept_of
from lofi_pipeline.checkpoints.manifest import read_record, write_record
from lofi_pipeline.cli.app import app
from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    SCORES_RECORD,
    ClipScore,
    Precision,
    Scores,
    StyleClips,
    StyleOutcome,
    StyleRanks,
)
from lofi_pipeline.evaluation.records import write_base_scores
from lofi_pipeline.storage import DataRoot, file_sha256, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage, make_record, make_scores

PRECISION = Precision(
    clips=24,
    reference_tracks=7,
    reference_styles=2,
    duplicates=[["track_003", "track_007"]],
    fad_se_by_clip=0.031,
    fad_se_by_track=0.083,
    fad_infinity=0.197,
    kad=-0.001,
    kad_se=0.002,
    floor=(0.9, 1.26, 1.6),
    floor_windows=24,
)
CONTRACT = {
    "fad",
    "fad_se",
    "fad_infinity",
    "kad",
    "kad_se",
    "clap",
    "clap_interval",
    "clips",
    "reference_tracks",
    "memorised",
    "separable_from_best",
}
LOW, HIGH = (0.1, 0.2, 0.3), (0.19, 0.27, 0.38)


def put(
    root: DataRoot, step: int, fad: float, *, clap: Sequence[float] = LOW, memorised: bool = False
) -> Scores:
    folder = make_folder(root, step, fad=fad)
    scores = make_scores(step, fad, error=0.083, clap=clap, memorised=memorised)
    scores = scores.model_copy(update={"precision": PRECISION})
    write_json_atomic(folder / SCORES_RECORD, scores)
    return scores


@pytest.fixture
def scored(root: DataRoot) -> DataRoot:
    """80 has the lowest honest FAD, 240 follows prompts better, 160 repeats training tracks, 320 is far off."""
    put(root, 80, 0.237)
    put(root, 160, 0.011, memorised=True)
    put(root, 240, 0.240, clap=HIGH)
    put(root, 320, 0.9)
    base = make_scores(0, 1.2, error=0.083, clap=LOW).model_copy(update={"precision": PRECISION, "step": 0})
    write_base_scores(root, make_lineage().base.sha256, base)
    return root


def scores(root: DataRoot, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["scores", "--data", str(root.path), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def said(root: DataRoot) -> dict[str, Any]:
    return json.loads(scores(root, "--json", "-"))


def test_the_json_holds_what_scripts_rely_on(scored: DataRoot) -> None:
    found = said(scored)
    lines = {line["step"]: line for line in found["checkpoints"]}
    assert set(found["base"]) >= CONTRACT and all(set(line) >= CONTRACT for line in lines.values())
    line = lines[240]
    assert (line["fad"], line["fad_se"], line["fad_infinity"]) == (0.240, 0.083, 0.197)
    assert (line["kad"], line["kad_se"], line["reference_tracks"]) == (-0.001, 0.002, 7)
    assert line["clap_interval"][0] < line["clap"] < line["clap_interval"][1]
    assert {step: line["separable_from_best"] for step, line in lines.items()} == {
        80: False,
        160: False,  # 2.8 errors, where four are compared on 10 clips
        240: False,
        320: True,
    }
    assert found["base"]["separable_from_best"] is True
    assert lines[160]["memorised"] == [["validation-01-track_001", "track_001", 0.2]]
    assert lines[80]["memorised"] == []
    assert found["embedder"].startswith("nano ") and found["text_embedder"] == found["embedder"]


def test_the_best_and_why(scored: DataRoot) -> None:
    best = said(scored)["best"]
    assert best["checkpoint_id"] == "epoch=0-step=240_lora"
    assert best["why"].startswith(
        "240: not separable from 80 by FAD (difference 0.003 +- 0.083), follows prompts better (+0.080, "
    )
    assert best["why"].endswith("left out, because samples repeat training tracks: 160")


def test_every_pair_is_compared_and_says_what_it_would_take(scored: DataRoot) -> None:
    pairs = {(pair["one"][13:-5], pair["other"][13:-5]): pair for pair in said(scored)["pairs"]}
    assert len(pairs) == 6
    close, far = pairs["80", "240"], pairs["240", "320"]
    assert (close["fad"], close["clap"]) == ("not separable", "worse")
    assert close["fad_se"] == pytest.approx(0.083)
    assert close["more_clips"] == pytest.approx(10 * (errors_apart(4, 10) * 0.083 / 0.003) ** 2 - 10, abs=1)
    assert (far["fad"], far["clap"], far["more_clips"]) == ("better", "better", None)


def test_weak_references_are_warned_of_in_the_json_and_under_the_table(scored: DataRoot) -> None:
    found, shown = said(scored)["warnings"], scores(scored)
    for words in ("7 validation tracks", "2 styles", "track_003 and track_007"):
        assert any(words in sentence for sentence in found)
        assert words in shown


def test_the_table_calls_numbers_what_they_are_and_shows_their_errors(scored: DataRoot) -> None:
    shown = scores(scored)
    assert "nano-FAD" in shown and "nano alignment" in shown and "CLAP" not in shown
    row = next(line for line in shown.splitlines() if line.startswith("epoch=0-step=240_lora"))
    assert "0.2400 +- 0.0830 best" in row and "0.1970" in row and "-0.0010 +- 0.0020" in row
    assert "not separable from the best" in next(line for line in shown.splitlines() if "step=80_" in line)


def test_the_csv_has_a_line_for_each_checkpoint(scored: DataRoot, tmp_path: Path) -> None:
    scores(scored, "--csv", str(tmp_path / "scores.csv"))
    text = (tmp_path / "scores.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["step"], row["best"]) for row in rows] == [
        ("80", ""),
        ("160", ""),
        ("240", "yes"),
        ("320", ""),
    ]
    assert rows[0]["fad_se"] == "0.083" and rows[1]["memorised"] == "validation-01-track_001 track_001 0.2"


def test_scores_of_an_earlier_version_are_shown_with_what_is_unknown(root: DataRoot) -> None:
    for step, fad in ((10, 0.4), (20, 0.3)):
        folder = make_folder(root, step)
        write_json_atomic(folder / SCORES_RECORD, make_scores(step, fad, error=None, clap=LOW))
    text = root.checkpoint("epoch=0-step=20_lora").joinpath(SCORES_RECORD).read_text()
    assert "precision" not in text and "memorised" not in text  # as they were written then
    found = said(root)
    line = found["checkpoints"][1]
    assert (line["fad"], line["fad_se"], line["kad"], line["reference_tracks"]) == (0.3, None, None, None)
    assert line["clap_interval"] is not None  # the clips' scores were always kept
    assert found["best"]["why"] == "20: the lowest FAD, 0.100 below 10; the error of that was not measured"
    assert [pair["fad"] for pair in found["pairs"]] == ["error not measured"]
    assert any("were not measured" in sentence for sentence in found["warnings"])
    assert "not measured" in scores(root)


def test_without_checkpoints_it_says_how_to_get_some(root: DataRoot) -> None:
    assert "lofi run" in scores(root)
    assert said(root)["checkpoints"] == []


def test_an_archived_lineage_is_shown_by_its_first_digits(scored: DataRoot) -> None:
    lineage = make_lineage("a").lineage
    archive = scored.archived_lineage(lineage)
    archive.mkdir(parents=True)
    for folder in scored.checkpoints.glob("epoch=*"):
        folder.rename(archive / folder.name)
    assert "lofi run" in scores(scored)
    assert "step=320_lora" in scores(scored, "--lineage", lineage[:8])
    done = CliRunner().invoke(app, ["scores", "--data", str(scored.path), "--lineage", "ffff"])
    assert done.exit_code == 2 and lineage[:12] in done.output.replace("\n", "")


def refused(root: DataRoot, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["scores", "--data", str(root.path), *arguments])
    assert done.exit_code == 2
    return " ".join(done.stderr.replace("│", " ").split())


def test_a_pin_overrules_the_scores_until_it_is_taken_back(scored: DataRoot):
    assert said(scored)["best"]["checkpoint_id"] == "epoch=0-step=240_lora"
    shown = scores(scored, "--pin", "320", "--why", "warmest bass")
    assert "320: pinned by a person: warmest bass" in shown
    found = said(scored)
    assert found["best"]["checkpoint_id"] == "epoch=0-step=320_lora"
    assert [line.get("pinned") for line in found["checkpoints"]] == [None, None, None, "warmest bass"]
    scores(scored, "--unpin", "epoch=0-step=320_lora")
    assert said(scored)["best"]["checkpoint_id"] == "epoch=0-step=240_lora"


def test_a_pin_wants_a_checkpoint_that_can_be_the_best_and_a_reason(scored: DataRoot):
    assert "give the reason with --why" in refused(scored, "--pin", "320")
    assert "no checkpoint '77'; there are the steps 80, 160, 240, 320" in refused(
        scored, "--pin", "77", "--why", "it is"
    )
    assert "give --pin as well" in refused(scored, "--why", "it is")
    make_folder(scored, 400)
    assert "step 400 has no scores yet" in refused(scored, "--pin", "400", "--why", "it is")
    write_json_atomic(
        scored.checkpoint("epoch=0-step=320_lora") / CHECKPOINT_RECORD, make_record(320, pruned=True)
    )
    assert "step 320 has no weights any more" in refused(scored, "--pin", "320", "--why", "it is")
    assert not (scored.metadata / "pins.json").exists()


def test_a_checkpoint_that_is_kept_by_hand_keeps_its_weights_and_is_not_the_best_for_it(scored: DataRoot):
    assert "pinned" in scores(scored, "--keep", "80", "--why", "for the film")
    found = said(scored)
    assert found["best"]["checkpoint_id"] == "epoch=0-step=240_lora"
    assert [line.get("never_pruned") for line in found["checkpoints"]] == ["for the film", None, None, None]
    scores(scored, "--let-go", "80")
    assert not any(line.get("never_pruned") for line in said(scored)["checkpoints"])
    assert "give the reason with --why" in refused(scored, "--keep", "80")
    assert "no checkpoint '77'" in refused(scored, "--let-go", "77")


def test_styles_are_told_of_those_that_were_asked_for_them(scored: DataRoot, tmp_path: Path):
    picture = tmp_path / "styles.png"
    assert "no checkpoint was asked for styles" in refused(scored, "--styles", str(picture))
    item = make_scores(320, 0.9, error=0.083, clap=LOW)
    ranks = {
        "CORE-01": StyleRanks(ranks=[1, 2, 9], nearest=["CORE-01", "CORE-02", "CORE-02"], p_value=0.05),
        "CORE-02": StyleRanks(ranks=[1, 1, 1], nearest=["CORE-02"] * 3, p_value=0.002),
    }
    styles = StyleClips(
        prompts_sha256="0" * 64, nearest=5, level=0.05, by_chance=1.8, styles=ranks, samples=[]
    )
    coverage = {style: StyleOutcome(generated=True, recognizable=style == "CORE-02") for style in ranks}
    item = item.model_copy(
        update={"styles": styles, "metrics": item.metrics.model_copy(update={"style_coverage": coverage})}
    )
    write_json_atomic(scored.checkpoint("epoch=0-step=320_lora") / SCORES_RECORD, item)
    shown = scores(scored, "--styles", str(picture))
    assert "Styles of 320: 1 recognisable, 1.8 by chance" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = said(scored)["checkpoints"]
    assert (lines[-1]["styles_recognizable"], lines[-1]["styles_by_chance"]) == (1, 1.8)
    assert lines[0]["styles_recognizable"] is None


def test_scores_that_were_edited_by_hand_are_named(scored: DataRoot):
    folder = scored.checkpoint("epoch=0-step=80_lora")
    record = read_record(folder)
    samples = folder / "samples" / "00.wav"
    scores_file = folder / SCORES_RECORD
    kept = {path.relative_to(folder).as_posix(): file_sha256(path) for path in (samples, scores_file)}
    write_record(folder, record.model_copy(update={"kept_files": kept_of(folder, kept)}))
    assert not [line for line in said(scored)["warnings"] if "changed or missing" in line]
    scores_file.write_text(scores_file.read_text().replace("0.237", "0.001"))
    board = said(scored)
    (sentence,) = [line for line in board["warnings"] if "changed or missing" in line]
    assert sentence.startswith("epoch=0-step=80_lora: scores.json changed or missing")
    assert (
        board["checkpoints"][0]["fad"] is None and board["best"]["checkpoint_id"] == "epoch=0-step=240_lora"
    )
    assert "lofi run scores it again" in sentence
    scores_file.write_text("{half")
    assert any(line.startswith("epoch=0-step=80_lora: scores.json") for line in said(scored)["warnings"])


def test_scores_of_another_checkpoint_count_for_nothing(scored: DataRoot):
    """Nothing remembers what was written here, as of an earlier version."""
    theirs, ours = (scored.checkpoint(f"epoch=0-step={step}_lora") / SCORES_RECORD for step in (240, 320))
    ours.write_text(theirs.read_text())
    board = said(scored)
    lines = {line["step"]: line for line in board["checkpoints"]}
    assert lines[320]["fad"] is None and lines[240]["fad"] == 0.240
    assert board["best"]["checkpoint_id"] == "epoch=0-step=240_lora"
    (sentence,) = [line for line in board["warnings"] if "step=320" in line]
    assert "scores.json" in sentence and "lofi run scores it again" in sentence


def test_what_another_model_says_of_clips_stands_beside_the_scores(scored: DataRoot):
    item = make_scores(320, 0.9, error=0.083, clap=LOW)
    judged = {"taste": ClipScore(mean=3.5, interval=(3.0, 4.0), of_clip=[3.0, 3.5, 4.0])}
    write_json_atomic(
        scored.checkpoint("epoch=0-step=320_lora") / SCORES_RECORD,
        item.model_copy(update={"clip_scores": judged}),
    )
    assert "taste of 320: 3.5000" in scores(scored)
    lines = said(scored)["checkpoints"]
    assert lines[-1]["clip_scores"] == {"taste": 3.5} and "clip_scores" not in lines[0]
    assert scores(scored, "--csv", "-").count("taste") == 1
