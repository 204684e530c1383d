"""What content credentials say of training, in files that the reference implementation of C2PA signed."""

import io

import numpy as np
import pytest
import soundfile

from lofi_pipeline.audio import denied_by_credentials, tags_in
from lofi_pipeline_tests.credentials import signed

TERMS = {"use": "constrained", "constraint_info": "ask the label"}


def music(container: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((4_800, 2), np.float32), 48_000, format=container)
    return file.getvalue()


def denied(data: bytes) -> str | None:
    assert tags_in(io.BytesIO(data), "a").credentials
    return denied_by_credentials(io.BytesIO(data))


@pytest.mark.parametrize(
    ("container", "media_type"), [("WAV", "audio/wav"), ("MP3", "audio/mpeg"), ("FLAC", "audio/flac")]
)
@pytest.mark.parametrize("by", ["cawg", "c2pa"])
def test_a_ban_on_training_is_read(container: str, media_type: str, by: str) -> None:
    data = signed(music(container), media_type, {"ai_generative_training": "notAllowed"}, by=by)
    assert denied(data) == "AI generative training is not allowed."


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ({"ai_training": "notAllowed"}, "AI training is not allowed."),
        ({"data_mining": "notAllowed"}, "data mining is not allowed."),
        (
            {"ai_generative_training": TERMS},
            "AI generative training is not allowed, but on terms: ask the label.",
        ),
        ({"ai_generative_training": "allowed", "ai_training": "notAllowed"}, ""),
        (
            {"ai_generative_training": "notAllowed", "ai_training": "allowed"},
            "AI generative training is not allowed.",
        ),
        ({"ai_inference": "notAllowed"}, ""),
        ({}, ""),
    ],
)
def test_the_nearest_use_decides(uses: dict[str, object], said: str) -> None:
    assert denied(signed(music("WAV"), "audio/wav", uses)) == said


def test_a_ban_on_what_the_music_was_made_from_is_read() -> None:
    part = signed(music("WAV"), "audio/wav", {"ai_training": "notAllowed"})
    assert (
        denied(signed(music("WAV"), "audio/wav", {"ai_training": "allowed"}, made_from=part))
        == "AI training is not allowed."
    )


def test_a_ban_that_was_turned_into_a_permission_leaves_credentials_that_are_not_believed() -> None:
    data = signed(music("WAV"), "audio/wav", {"ai_training": "notAllowed"})
    forged = data.replace(b"notAllowed", b"allowed\0\0\0").replace(b"jnotAllowed", b"gallowed")
    assert forged != data
    assert denied(forged) is None


def test_damaged_credentials_are_not_read() -> None:
    data = signed(music("WAV"), "audio/wav", {"ai_training": "notAllowed"})
    start = data.index(b"jumdc2pa")
    assert denied_by_credentials(io.BytesIO(data[: start + 40])) is None
    assert denied_by_credentials(io.BytesIO(b"jumdc2pa" + bytes(4_000))) is None
