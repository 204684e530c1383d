"""What a track's record says of its tags, where models listen: the shipped tagger, and a captioner of the user's."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lofi_pipeline.config import TaggingSettings
from lofi_pipeline.entities import Support, TrackStatus
from lofi_pipeline.ingest import load_record, pending_tracks
from lofi_pipeline.ingest.captioner import CaptionerFailed, claims_of
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work

SCRIPT = """
import json
import sys

# A captioner: the path of an MP3 is its last argument, its answer is JSON. This one has only looked at the file's name.
path = sys.argv[-1]
caption = "A dreamy lofi house track with vocal chops at 123 bpm in C# major."
print(
    json.dumps(
        {
            "caption": caption,
            "tags": ["rap"],
            "voice": True,
        }
    )
)
"""


def captioner(folder: Path, text: str = SCRIPT) -> dict[str, object]:
    """The settings for a captioner that is this script."""
    script = folder / "caption.py"
    script.write_text(text)
    return {"tagger": "musicnn", "zero_shot": "off", "caption_command": [sys.executable, str(script)]}


@pytest.fixture
def undeclared(root: DataRoot) -> str:
    """The id of a track whose style nobody declared, not yet worked on."""
    make_drop(root, "drop", {"a.wav": song(1)}, facts(defaults={}))
    return "track_001"


def test_each_tag_of_a_record_says_what_supports_it_and_a_claim_is_not_believed_unchecked(
    root: DataRoot, undeclared: str, tmp_path: Path
) -> None:
    tagged = work(root, settings(tagging={"zero_shot": "off"}))["a.wav"].tagged
    assert tagged and not tagged.styles_declared and tagged.style_confidence < 0.8
    assert tagged.prompt == ", ".join(tag.tag for tag in tagged.tags)
    assert {tag.support for tag in tagged.tags} <= {Support.MEASURED, Support.TAGGED}
    assert tagged.says_tempo is any(tag.tag.endswith(" bpm") for tag in tagged.tags)
    assert tagged.offered and tagged.disputed == []
    # The same with a captioner: claimed words are offered, and what is wrong is said to a person
    config = settings(tagging=captioner(tmp_path))
    assert pending_tracks(root, config) == [undeclared]
    claimed = work(root, config)["a.wav"].tagged
    assert claimed and claimed.prompt == tagged.prompt and claimed.needs_review
    assert any("123 bpm is claimed" in sentence for sentence in claimed.disputed)
    assert {"dreamy", "lofi house"} <= {tag.tag for tag in claimed.offered}
    assert pending_tracks(root, config) == []


def test_a_verified_style_keeps_its_words_and_a_dispute_is_heard(
    root: DataRoot, undeclared: str, tmp_path: Path
) -> None:
    config = settings(tagging={"zero_shot": "off", "tagger": "off"})
    record = work(root, config)["a.wav"]
    assert record.tagged
    path = root.track_record(undeclared)
    written = json.loads(path.read_bytes())
    written["human_verified"] = True
    written["tagged"]["style_ids"] = ["THEME-05"]
    path.write_text(json.dumps(written))
    work(root, settings(tagging={"zero_shot": "off"}))
    again = load_record(root, undeclared)
    assert again and again.tagged and again.tagged.style_ids == ["THEME-05"] and not again.tagged.needs_review
    assert Support.VERIFIED in {tag.support for tag in again.tagged.tags}
    disputed = work(root, settings(tagging=captioner(tmp_path) | {"tagger": "off"}))["a.wav"].tagged
    assert disputed and disputed.disputed and disputed.needs_review


def test_other_models_change_no_track_of_a_declared_style(root: DataRoot, tmp_path: Path) -> None:
    make_drop(root, "named", {"a.wav": song(0)}, facts())
    tagged = work(root)["a.wav"].tagged
    assert tagged and {tag.support for tag in tagged.tags} == {Support.DECLARED, Support.MEASURED}
    assert pending_tracks(root, settings(tagging=captioner(tmp_path))) == []
    assert pending_tracks(root, settings(tagging={"tagger": "off"})) == []


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("raise SystemExit('no weights')", "exit code 1.*no weights"),
        ("print('a nice song')", "answered no JSON.*a nice song"),
        ("print('[' * 100_000)", "answered no JSON"),
        ('print(\'{"tempo": "fast"}\')', "tempo"),
        ("import time; time.sleep(60)", "no answer .* in 2 s"),
        ("print('x' * 2_000_000)", "more than 1000000 bytes"),
    ],
)
def test_a_captioner_that_does_not_answer_is_named(tmp_path: Path, text: str, because: str) -> None:
    given = TaggingSettings.model_validate(captioner(tmp_path, text) | {"caption_seconds": 2})
    with pytest.raises(Exception, match=f"(?s){because}") as caught:
        claims_of(tmp_path / "a.mp3", given)
    assert sys.executable in str(caught.value)


def test_its_fault_is_in_the_record_of_the_track(root: DataRoot, undeclared: str) -> None:
    config = settings(tagging={"zero_shot": "off", "tagger": "off", "caption_command": ["no-such-captioner"]})
    record = work(root, config)["a.wav"]
    assert record.status is TrackStatus.FAILED and "tagging.caption_command" in str(record.reason)


@pytest.fixture
def url() -> Iterator[str]:
    """Of a captioner that listens on this machine: /go answers, /away sends elsewhere."""

    class Captioner(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            answer = json.dumps({"caption": f"{size} bytes of piano"}).encode()
            self.send_response(200 if self.path == "/go" else 302)
            self.send_header("Location", "/go")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Captioner)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_captioner_that_listens_to_http_gets_the_music_and_may_not_send_it_on(
    tmp_path: Path, url: str
) -> None:
    (tmp_path / "a.mp3").write_bytes(b"12345")
    found = claims_of(tmp_path / "a.mp3", TaggingSettings(caption_url=f"{url}/go"))
    assert found and found.caption == "5 bytes of piano"
    with pytest.raises(CaptionerFailed, match="302"):
        claims_of(tmp_path / "a.mp3", TaggingSettings(caption_url=f"{url}/away"))


@pytest.mark.parametrize(
    ("given", "because"),
    [
        ({"caption_url": "http://example.org/"}, "example.org is not this machine"),
        ({"caption_url": "http://127.0.0.1.example.org/"}, "is not this machine"),
        ({"caption_url": "file:///etc/passwd"}, "is no address"),
        ({"caption_url": "http://localhost:1/", "caption_command": ["x"]}, "give one of them"),
    ],
)
def test_music_is_sent_nowhere_by_mistake(given: dict[str, object], because: str) -> None:
    with pytest.raises(ValueError, match=because):
        TaggingSettings.model_validate(given)
    if "example" in str(given):
        TaggingSettings.model_validate(given | {"caption_remote": True})
