"""Training, scoring and `lofi generate` tell a base model the same words about the same music."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from lofi_pipeline.cli.generate_clips import Request, generate_to_files
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, VersionTrack
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.evaluation.checkpoint import evaluate_checkpoint
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.records import TrainingEvent
from lofi_pipeline_tests.training.toy import toy_preset

SECONDS = 2.0  # the toy preset's crops
STEP_2 = "epoch=0-step=2_lora"
SCORING = EvaluationSettings(
    clip_seconds=SECONDS, validation_prompts=4, style_prompts=False, inference_steps=1, guidance_scale=1.0
)

Said = dict[str, tuple[int, ...]]
"""Every text that a text encoder was given, with its tokens."""


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What the pipeline says, which gives a tokenizer lists of headed texts; embedders read prompts without heads."""
    said: Said = {}
    spoken = PreTrainedTokenizerBase.__call__

    def listen(self: PreTrainedTokenizerBase, text: object, *args: object, **options: object) -> object:
        found = spoken(self, text, *args, **options)  # pyright: ignore[reportArgumentType]
        if isinstance(text, list):
            asked = zip(text, found["input_ids"].tolist(), strict=True)
            said.update({one: tuple(tokens) for one, tokens in asked if one.startswith("# ")})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedTokenizerBase, "__call__", listen)
        yield said


@pytest.fixture
def spoken(version: DatasetVersion, root: DataRoot) -> DatasetVersion:
    """The toy data set with other facts in each track than any default has."""
    facts = [("C# minor", "3", "de", 91), ("F major", "6", "en", 74), ("E minor", "4", "unknown", 90)]
    tracks: list[VersionTrack] = []
    for number, track in enumerate(version.tracks):
        key, metre, language, bpm = facts[number % len(facts)]
        tracks.append(
            track.model_copy(
                update={
                    "keyscale": key,
                    "time_signature": metre,
                    "language": language,
                    "bpm": bpm,
                    "lyrics": "[Verse]\nrain on the window" if number % 2 else "[instrumental]",
                }
            )
        )
    changed = version.model_copy(update={"tracks": tracks})
    write_json_atomic(root.dataset_version(version.dataset.hash), changed)
    return changed


def _asked_like(track: VersionTrack, target: Path) -> Request:
    return Request(
        prompts=(track.prompt,),
        output=target,
        checkpoint=STEP_2,
        seconds=SECONDS,
        bpm=track.bpm,
        key=track.keyscale,
        metre=track.time_signature,
        language=track.language,
        lyrics=track.lyrics,
        steps=1,
    )


@pytest.mark.parametrize(
    "trigger",
    [{}, {"trigger": "dusty_tape"}],
    ids=["plain", "trigger"],
)
def test_training_scoring_and_generating_say_the_same_word_for_word(
    spoken: DatasetVersion,
    root: DataRoot,
    base: Path,
    run: Callable[..., list[TrainingEvent]],
    trigger: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(BASE_VARIABLE, str(base))
    with listening(monkeypatch) as trained:
        encode_dataset(spoken, root, str(base), toy_preset(**trigger))
    run(preset={"max_steps": 2, **trigger})
    with listening(monkeypatch) as scored:
        evaluate_checkpoint(root, root.checkpoint(STEP_2), spoken, str(base), SCORING)
    with listening(monkeypatch) as generated:
        for number, track in enumerate(spoken.tracks):
            generate_to_files(root, _asked_like(track, tmp_path / f"{number}.wav"))
    assert generated == trained
    assert scored and scored.items() <= trained.items()
    captions = [text.split("# Caption\n")[1].split("\n")[0] for text in trained if "# Caption" in text]
    assert all(one.startswith("dusty_tape, ") is bool(trigger) for one in captions)


def test_what_is_not_asked_for_is_as_in_the_data_set_of_the_checkpoint(
    trained: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BASE_VARIABLE, str(base))
    track = version.tracks[0]
    with listening(monkeypatch) as generated:
        (made,) = generate_to_files(
            trained,
            Request(
                prompts=["lofi hip hop, mellow, 80 bpm"],
                output=tmp_path / "x.wav",
                checkpoint=STEP_2,
                seconds=SECONDS,
                steps=1,
            ),
        )
    (text,) = [one for one in generated if "# Caption" in one]
    (lyrics,) = [one for one in generated if "# Lyric" in one]
    assert f"- bpm: 80\n- timesignature: {track.time_signature}\n- keyscale: A minor\n" in text
    assert track.language == "en" and "# Languages\nen\n" in lyrics and f"# Lyric\n{track.lyrics}<" in lyrics
    assert (made.language, made.metre, made.lyrics) == ("en", "4", "[instrumental]")
