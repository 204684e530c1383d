"""What the pages of tracks say and take, asked as a browser does: search, filters, escaping, roles, audio in parts."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.ingest import load_record
from lofi_pipeline.review import history
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline.web.role import Role
from lofi_pipeline_tests.drops import facts, make_drop, register, song, work
from lofi_pipeline_tests.web.serving import TOKENS, guarded_studio

OURS = "http://127.0.0.1:3000"
FROM_PAGE = {"Origin": OURS, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
HOSTILE = "<script>alert(1)</script>\"' & 夜のカフェ שלום🦊🎵"


@pytest.fixture(scope="module")
def library(worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Tracks that are ready, one that is too short, one with a hostile title, and a drop that is refused."""
    root = DataRoot(tmp_path_factory.mktemp("library") / "data")
    shutil.copytree(worked_on.path, root.path)
    titled = facts(source_id="odd", files={"e.wav": {"title": HOSTILE, "artist": "<b>Zoë</b>"}})
    make_drop(root, "odd", {"e.wav": song(4)}, titled)
    make_drop(root, "none", {"f.wav": song(5)}, facts(source_id="none", license_type="CC BY-NC 4.0"))
    work(root)
    return root


@pytest.fixture
def copied(library: DataRoot, tmp_path: Path) -> DataRoot:
    shutil.copytree(library.path, tmp_path / "copy")
    return DataRoot(tmp_path / "copy")


def client(root: DataRoot, role: Role = Role.OWNER) -> TestClient:
    found = TestClient(guarded_studio(root), base_url=OURS)
    found.headers["Authorization"] = f"Bearer {TOKENS[role]}"
    return found


def listed(root: DataRoot, query: str = "") -> list[str]:
    """The files of the tracks on a page of the list."""
    page = client(root).get(f"/studio/tracks{query}")
    assert page.status_code == 200, page.text
    rows = re.findall(r'<p class="soft">.*· ([^<·]+)</p>', page.text)
    return [html.unescape(row).rsplit("/", 1)[-1] for row in rows]


@pytest.mark.parametrize(
    ("query", "files"),
    [
        ("", ["c.wav", "d.wav", "a.wav", "b.wav", "short.wav", "e.wav", "f.wav"]),
        ("?q=b.wav", ["b.wav"]),
        ("?q=track_001", ["c.wav"]),
        ("?q=zoe", ["e.wav"]),
        ("?q=カフェ", ["e.wav"]),
        ("?q=שלו", ["e.wav"]),
        ("?q=🎵", ["e.wav"]),
        ("?q=🦊🎵", ["e.wav"]),
        ("?q=🎶", []),
        ("?q=ukul", ["d.wav"]),
        ("?q=commissioned", ["c.wav", "d.wav"]),
        ("?q=SEASON-01", ["c.wav", "d.wav"]),
        ("?q=%22%20OR%201%3D1%20--", []),
        ("?q=%27*%29%28NEAR%00", []),
        ("?q=...", ["c.wav", "d.wav", "a.wav", "b.wav", "short.wav", "e.wav", "f.wav"]),
        ("?only=refused", ["short.wav", "f.wav"]),
        ("?only=verified", []),
        ("?source=odd", ["e.wav"]),
        ("?style=CORE-01&sort=tempo", ["a.wav", "b.wav", "e.wav"]),
        ("?style=CORE-01&sort=tempo&order=down", ["e.wav", "b.wav", "a.wav"]),
        ("?state=TRAINING_READY&q=season", ["c.wav", "d.wav"]),
        ("?sort=no&only=no&page=x&style=no", []),
        ("?page=" + "9" * 5000, ["c.wav", "d.wav", "a.wav", "b.wav", "short.wav", "e.wav", "f.wav"]),
        ("?page=99", ["c.wav", "d.wav", "a.wav", "b.wav", "short.wav", "e.wav", "f.wav"]),
    ],
)
def test_the_list_holds_what_is_asked_for(library: DataRoot, query: str, files: list[str]) -> None:
    assert listed(library, query) == files


def test_each_filter_says_how_many_it_leaves(library: DataRoot) -> None:
    page = client(library).get("/studio/tracks").text
    for link in re.findall(r'<a href="(\?[^"]+)"[^>]*>[^<]* <span class="count">(\d+)</span>', page):
        assert len(listed(library, html.unescape(link[0]))) == int(link[1]), link
    assert page.count('class="count"') >= 8


def test_what_files_say_of_themselves_is_never_markup(library: DataRoot) -> None:
    for path in ("/tracks", "/tracks/track_006", "/tracks/track_006/facts", "/tracks?q=%3Cscript%3Ealert(1)"):
        page = client(library).get(f"/studio{path}").text
        assert "<script>alert" not in page and "<b>Zoë" not in page
    assert html.escape(HOSTILE, quote=False)[:30] in client(library).get("/studio/tracks").text


def test_refused_files_say_why_and_what_to_do(library: DataRoot) -> None:
    page = client(library).get("/studio/tracks?only=refused").text
    assert "short.wav is too short" in page and "source.json" in page


def test_a_track_says_what_supports_each_tag_and_why_its_style(library: DataRoot) -> None:
    page = client(library).get("/studio/tracks/track_001").text
    assert "declared in source.json: " in page and "measured: tempo" in page
    assert re.search(r"tempo 82 (fits|lies outside) \d+ to \d+", page)
    facts_of_it = client(library).get("/studio/tracks/track_001/facts").text
    assert (
        "contract.txt" in facts_of_it
        and "may be used" in facts_of_it
        and "no data set version" in facts_of_it
    )


def test_what_is_not_there_is_not_found(library: DataRoot) -> None:
    for path in ("track_999", "track_1", "..%2F..%2Fregistry", "track_001%00", "none"):
        for part in ("", "/audio", "/peaks", "/picture", "/facts"):
            assert client(library).get(f"/studio/tracks/{path}{part}").status_code == 404, (path, part)
    assert client(library).get("/studio/tracks/track_005/audio").status_code == 404


def test_audio_and_its_peaks_are_those_of_the_processed_file(copied: DataRoot) -> None:
    record = load_record(copied, "track_002")
    assert record and record.processed
    data = copied.inside(record.processed.audio_path).read_bytes()
    part = client(copied).get("/studio/tracks/track_002/audio", headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, data[100:300])
    first = client(copied).get("/studio/tracks/track_002/peaks").json()
    assert first["duration"] == pytest.approx(record.processed.duration, abs=0.01)
    assert len(first["peaks"]) == 2 and 0.5 < max(map(max, first["peaks"])) <= 1 and first["gaps"] == []
    copied.inside(record.processed.audio_path).unlink()
    assert client(copied).get("/studio/tracks/track_002/peaks").json() == first, "kept by the hash"
    assert client(copied).get("/studio/tracks/track_002/audio").status_code == 404


def test_an_auditor_sees_everything_and_changes_nothing(copied: DataRoot) -> None:
    auditor = client(copied, Role.AUDITOR)
    for path in ("/studio/tracks", "/studio/tracks/track_001"):
        page = auditor.get(path)
        assert page.status_code == 200
        assert not re.search(
            r"<textarea|id=\"accept\"|name=\"pick\"|data-drop|data-bulk|id=\"save\"", page.text
        )
    for action in ("accept", "undo", "reject", "edit"):
        sent = {"who": "eve", "reason": "x", "changes": {"bpm": 80}}
        answer = auditor.post(f"/studio/tracks/track_001/{action}", headers=FROM_PAGE, json=sent)
        assert answer.status_code == 403
    bulk = {"who": "eve", "track_ids": ["track_001"]}
    assert auditor.post("/studio/tracks/bulk", headers=FROM_PAGE, json=bulk).status_code == 403
    assert history(copied, "track_001") == []


@pytest.mark.parametrize(
    ("path", "sent", "sentence"),
    [
        ("track_001/edit", {"who": "kim", "changes": {"style_ids": ["CORE-99"]}}, "CORE-99"),
        ("track_001/edit", {"who": "kim", "changes": {"add_tags": ["unheard of"]}}, "unheard of"),
        ("track_001/edit", {"who": "kim", "changes": {"bpm": 9000}}, "bpm"),
        ("track_001/edit", {"who": " ", "changes": {"bpm": 90}}, "who"),
        ("track_001/reject", {"who": "kim", "reason": " "}, "reason"),
        ("track_001/undo", {"who": "kim"}, "nothing to take back"),
        ("track_005/accept", {"who": "kim"}, "no prompt"),
        ("track_999/accept", {"who": "kim"}, "track_999"),
        ("bulk", {"who": "kim", "track_ids": ["../x"]}, "track_ids"),
        ("accept-surest", {"who": "kim", "confidence": 2}, "confidence"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(
    copied: DataRoot, path: str, sent: dict[str, object], sentence: str
) -> None:
    answer = client(copied).post(f"/studio/tracks/{path}", headers=FROM_PAGE, json=sent)
    assert answer.status_code == 422 and sentence in answer.json()["error"], answer.text
    assert history(copied, "track_001") == []


def test_all_above_a_confidence_are_accepted_and_no_declared_refused_or_disputed_one(
    copied: DataRoot,
) -> None:
    for number, confidence, disputed in (
        (1, 0.9, []),
        (2, 0.8, []),
        (3, 0.95, ["slower than declared"]),
        (4, 0.2, []),
    ):
        record = load_record(copied, f"track_{number:03d}")
        assert record and record.tagged
        suggested = {
            "style_confidence": confidence,
            "disputed": disputed,
            "styles_declared": False,
            "needs_review": True,
        }
        tagged = record.tagged.model_copy(update=suggested)
        write_json_atomic(copied.track_record(record.track_id), record.model_copy(update={"tagged": tagged}))
    sent = {"who": "kim", "confidence": 0.8, "address": "?q=wav"}
    answer = client(copied).post("/studio/tracks/accept-surest", headers=FROM_PAGE, json=sent)
    assert answer.json() == {"changed": 2, "left": 0}
    assert listed(copied, "?only=verified") == ["c.wav", "d.wav"]
    elsewhere = {**sent, "confidence": 0.1, "address": "?source=odd"}
    assert (
        client(copied)
        .post("/studio/tracks/accept-surest", headers=FROM_PAGE, json=elsewhere)
        .json()["changed"]
        == 0
    )


def test_a_damaged_record_is_named_and_not_a_traceback(copied: DataRoot) -> None:
    register(copied)
    copied.track_record("track_002").write_text("{", encoding="utf-8")
    page = client(copied).get("/studio/tracks")
    assert page.status_code in (422, 500) and "track_002.json" in page.text


def test_the_list_goes_into_a_spreadsheet_and_back(copied: DataRoot) -> None:
    owner = client(copied)
    table = owner.get("/studio/tracks.csv?source=odd")
    assert table.headers["content-disposition"].startswith("attachment")
    text = table.content.decode("utf-8-sig")
    assert "track_006" in text and "track_001" not in text
    sent = {"who": "kim", "table": text.replace('"CORE-01"', '"CORE-02"')}
    assert owner.post("/studio/tracks/import", headers=FROM_PAGE, json=sent).json() == {"changed": 1}
    assert listed(copied, "?style=CORE-02") == ["e.wav"]
    refused = owner.post("/studio/tracks/import", headers=FROM_PAGE, json={"who": "kim", "table": "no"})
    assert refused.status_code == 422


def test_of_several_all_are_changed_or_none(copied: DataRoot) -> None:
    sent = {"who": "kim", "track_ids": ["track_001", "track_005"]}
    answer = client(copied).post("/studio/tracks/bulk", headers=FROM_PAGE, json=sent)
    assert answer.status_code == 422 and "track_005" in answer.json()["error"]
    assert history(copied, "track_001") == []


def test_a_track_says_in_which_versions_it_is_and_which_others_are_the_same(copied: DataRoot) -> None:
    make_drop(copied, "again", {"a again.wav": song(0)}, facts(source_id="again", provider="others"))
    path = copied.raw / "creative-commons" / "again" / "a again.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, 0.8 * samples, rate)
    work(copied)
    version = build_dataset(copied, load_config()).version
    page = client(copied).get("/studio/tracks/track_003/facts").text
    assert f"{version.dataset.hash[:12]}</code> (the current one)" in page
    assert 'href="/studio/tracks/track_007"' in page and "same recording" in page
    listing = client(copied).get("/studio/tracks?q=again").text
    assert (
        "the same recording as creative-commons/first/a.wav" in listing and "the better copy is in" in listing
    )
    assert listed(copied, "?split=train") or listed(copied, "?split=validation")


def test_places_of_clipping_are_those_of_the_original_whose_silence_was_cut_off(root: DataRoot) -> None:
    samples, rate = soundfile.read(song(7), always_2d=True)
    samples *= 0.5 / np.abs(samples).max()
    loud = slice(12 * rate, 16 * rate)
    samples[loud] = np.clip(samples[loud] * 8, -1, 1)
    with_silence = np.concatenate([np.zeros((3 * rate, 2)), samples])
    path = root.path / "clipped.wav"
    soundfile.write(path, with_silence, rate, "PCM_16")
    original = make_drop(root, "clipped", {"a.wav": path}, facts()) / "a.wav"
    work(root)
    shown = client(root).get("/studio/tracks/track_001/peaks").json()
    assert shown["clipped"] and all(11.9 < begin < end < 16.2 for begin, end in shown["clipped"])
    original.unlink()
    assert client(root).get("/studio/tracks/track_001/peaks").json() == shown, "kept"
    for kept in (root.cache / "peaks").iterdir():
        kept.unlink()
    assert client(root).get("/studio/tracks/track_001/peaks").json()["clipped"] is None


def test_the_first_page_counts_what_its_links_list(library: DataRoot) -> None:
    page = client(library).get("/studio/").text
    links = re.findall(r'<a href="/studio/tracks(\S*)">[^<]* <span class="count">(\d+)</span>', page)
    assert links[0] == ("", "7") and len(links) > 1
    for query, count in links:
        assert len(listed(library, query)) == int(count), query


def test_the_first_page_of_an_empty_data_root_says_what_to_do(root: DataRoot) -> None:
    page = client(root).get("/studio/").text
    assert "put folders of music" in page and "Nothing was trained yet" in page
