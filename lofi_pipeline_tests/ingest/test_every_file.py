"""Nothing below data/raw is passed over in silence: every file is taken, refused with a reason, or a known companion."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline.audio import AUDIO_SUFFIXES, HEAD_BYTES, RefusedAudio, read, why_no_audio
from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import Drop, DropStatus
from lofi_pipeline.ingest import drop_signature, incomplete_reason, scan_drops
from lofi_pipeline.ingest.file_kinds import companion_kind, why_refused
from lofi_pipeline.ingest.listing import is_named_like_audio
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests import documents
from lofi_pipeline_tests.audio.music import loop, write_av
from lofi_pipeline_tests.drops import GRANT, facts, make_drop, register

STYLES = set(load_presets())


def scanned(root: DataRoot) -> dict[str, Drop]:
    found = scan_drops(root, style_ids=STYLES, licensing=LicensingSettings())
    return {drop.folder.rsplit("/", 1)[-1]: drop for drop in found.drops}


def reasons(drop: Drop) -> dict[str, str]:
    """Of the refused files, by their names in the drop."""
    return {
        file.path.removeprefix(f"{drop.folder}/"): file.refusal
        for file in drop.files
        if file.refusal is not None
    }


REFUSED = {
    "score.mid": "holds notes, not sound; convert it",
    "SCORE.MIDI": "holds notes, not sound; convert it",
    "bought.m4p": "protected against copying (DRM)",
    "book.aax": "protected against copying (DRM)",
    "film.avi": "not read; convert it to FLAC or WAV",
    "sound.ac3": "not read; convert it to FLAC or WAV",
    "album.zip": "is an archive; unpack it",
    "album.tar.gz": "is an archive; unpack it",
    "song.mp3.part": "a download or copy that has not ended",
    "song.flac.crdownload": "a download or copy that has not ended",
    "beat.als": "the project of a music program; export its mix",
    "song": "is no kind of audio that is taken",
    "song.xyz": "is no kind of audio that is taken",
    "song.mp3_": "is no kind of audio that is taken",
    ".hidden.mp3": "begins with a dot",
    "Source.json": "the facts of a drop stand in a file source.json",
    "CD1/source.json": "the facts of a drop stand in a file source.json",
    "deep/er/still.rar": "is an archive",
}
COMPANIONS = {
    "words.txt": "lyrics",
    "said.lrc": "lyrics",
    "contract.pdf": "evidence",
    "README": "text",
    "notes.md": "text",
    "cover.jpg": "picture",
    "scans/back.PNG": "picture",
    "album.cue": "playlist",
    "rip.log": "log",
    "tags.xml": "data",
    "song.wav.asd": "analysis",
    "Thumbs.db": "system",
    "__MACOSX/._song.mp3": "system",
    ".DS_Store": "hidden",
    "._song.mp3": "hidden",
    ".git": "hidden",
}
TAKEN = [f"song-{suffix.removeprefix('.')}{suffix}" for suffix in sorted(AUDIO_SUFFIXES)]


def test_every_file_of_a_drop_is_taken_or_refused_or_a_known_companion(root: DataRoot) -> None:
    named = facts(
        defaults={"style_ids": ["CORE-01"], "lyrics": "words.txt"},
        grant={**GRANT, "evidence": [{"document": "contract.pdf"}]},
    )
    files = {name: name.encode() for name in [*REFUSED, *COMPANIONS, *TAKEN]}
    files["contract.pdf"] = documents.pdf(documents.WORDS)
    folder = make_drop(root, "all", files, named)
    (folder / "elsewhere").symlink_to(root.path, target_is_directory=True)
    drop = scanned(root)["all"]
    assert drop.status is DropStatus.ACCEPTED
    refused = reasons(drop)
    assert set(refused) == {*REFUSED, "elsewhere"}
    assert {name for name, words in REFUSED.items() if words not in refused[name]} == set()
    assert "is a link" in refused["elsewhere"]
    kinds = {name: kind for kind, names in drop.companions.items() for name in names}
    assert kinds == COMPANIONS
    taken = [file.path.rsplit("/", 1)[-1] for file in drop.files if not file.refusal]
    assert sorted(taken) == sorted(TAKEN)
    everything = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }
    assert everything - {"source.json"} == {*refused, *kinds, *taken}


_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(name=st.one_of(_NAMES, st.builds("{}.{}".format, _NAMES, _NAMES)))
def test_any_name_is_audio_or_a_companion_or_refused_with_what_to_do(name: str) -> None:
    kind = companion_kind(name)
    taken = is_named_like_audio(name) and not name.startswith(".")
    assert taken or kind or len(why_refused(name)) > 20
    assert not (taken and kind)


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ({}, DropStatus.INCOMPLETE, "holds no audio; copy the music into it"),
        ({"cover.jpg": b"x", "notes.txt": b"y"}, DropStatus.INCOMPLETE, "holds no audio"),
        ({"a.mid": b"x", "b.zip": b"y"}, DropStatus.REFUSED, "none of its files can be taken"),
        ({".hidden.wav": b"x"}, DropStatus.REFUSED, "none of its files can be taken"),
    ],
)
def test_a_drop_without_music_is_never_accepted(
    root: DataRoot, files: dict[str, bytes], status: DropStatus, words: str
) -> None:
    folder = make_drop(root, "bare", files, facts())
    found = register(root)
    (drop,) = found.scan.drops
    assert drop.status is status
    assert words in (drop.reason or "")
    told = dict(found.scan.refusals())
    assert told.pop("raw/creative-commons/bare") == drop.reason
    assert set(told) == {file.path for file in drop.files}
    waits = incomplete_reason(root, folder, style_ids=STYLES)
    assert waits == ("bare: waiting for audio" if status is DropStatus.INCOMPLETE else None)
    (folder / "a.wav").write_bytes(b"music")
    assert scanned(root)["bare"].status is DropStatus.ACCEPTED


NO_MUSIC = {
    "empty.mp3": (b"", "is empty (0 bytes)"),
    "cut.aif": (b"FORM\0\0\0\0AIFF", "ends after 12 bytes, before any sound"),
    "cut.dsf": (b"DSD ", "ends after 4 bytes, before any sound"),
    "cut.flac": (b"fLaC\0\0\0\x22", "ends after 8 bytes, before any sound"),
    "not found.mp3": (
        b"\n<!DOCTYPE html>\n<html><body>404</body></html>",
        "is a web page: the download failed",
    ),
    "quota.wav": (
        b"Your quota is used up. Wait for an hour.\nThen ask again, or pay for more of it.\n",
        "is text",
    ),
    "pointer.flac": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer to the music"),
    "cover.mp3": (b"\x89PNG\r\n\x1a\n" + bytes(200), "is a picture"),
    "album.wav": (b"PK\x03\x04" + bytes(200), "is an archive; unpack it"),
    "contract.ogg": (b"%PDF-1.7\n" + bytes(200), "is a document"),
    "song.mp3": (b"MThd\0\0\0\6\0\1" + bytes(200), "holds notes, not sound"),
    "film.wav": (b"RIFF\0\0\0\0AVI LIST" + bytes(200), "is a film"),
}


def test_what_surely_is_no_music_is_refused_when_scanned_whatever_its_name(root: DataRoot) -> None:
    make_drop(root, "bare", {name: data for name, (data, _) in NO_MUSIC.items()}, facts())
    make_drop(
        root, "one", {"page.mp3": NO_MUSIC["not found.mp3"][0], "song.wav": b"music"}, facts(source_id="one")
    )
    found = scanned(root)
    assert found["bare"].status is DropStatus.REFUSED
    assert "none of its files can be taken" in (found["bare"].reason or "")
    told = reasons(found["bare"])
    assert {name: words in told.get(name, "") for name, (_, words) in NO_MUSIC.items()} == dict.fromkeys(
        NO_MUSIC, True
    )
    assert (found["one"].status, list(reasons(found["one"]))) == (DropStatus.ACCEPTED, ["page.mp3"])
    for name in NO_MUSIC:  # nor would it have been decoded
        with pytest.raises(RefusedAudio):
            read(root.raw / "creative-commons" / "bare" / name, max_seconds=60)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.aif", "pcm_s16be"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.ogg", "libopus"),
     ("a.opus", "libopus"), ("a.m4a", "aac"), ("a.aac", "aac"), ("a.wma", "wmav2"), ("a.caf", "pcm_s16le"), ("a.wv", "wavpack"),
     ("a.mka", "flac"), ("a.webm", "libopus"), ("a.au", "pcm_s16be"), ("a.tta", "tta")],
)  # fmt: skip
def test_no_audio_is_taken_for_something_else(tmp_path: Path, name: str, codec: str) -> None:
    data = write_av(tmp_path / name, loop(0.5), codec).read_bytes()
    assert why_no_audio(data[:HEAD_BYTES], len(data)) is None


def test_what_lies_outside_of_drops_is_named_too(root: DataRoot) -> None:
    kind = root.raw / "creative-commons"
    for path in (
        root.raw / "album.zip",
        root.raw / "notes.txt",
        kind / "song.flac",
        kind / "score.mid",
        kind / "unknown",
        kind / "source.json",
        kind / "cover.jpg",
        root.raw / "Creative_Commons" / "mine" / "song.aiff",
        root.raw / "Creative_Commons" / "mine" / "song.mid",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    make_drop(root, "bare", {"a.wav": b"y"})
    scan = register(root).scan
    told = {path.removeprefix("raw/"): reason for path, reason in scan.refusals()}
    assert "lies in no drop, and is an archive" in told["album.zip"]
    assert "lies in no drop; move it into a folder of its own" in told["creative-commons/song.flac"]
    assert "lies in no drop, and holds notes" in told["creative-commons/score.mid"]
    assert "lies in no drop, and is no kind of audio" in told["creative-commons/unknown"]
    assert "move it into the folder of the music" in told["creative-commons/source.json"]
    assert "is creative-commons/ meant?" in told["Creative_Commons/mine/song.aiff"]
    assert "holds notes" in told["Creative_Commons/mine/song.mid"]
    assert "one folder too high: move it into the drop" in told["creative-commons/bare/a.wav"]
    assert len(told) == 8
    assert scan.outside == ["raw/notes.txt", "raw/creative-commons/cover.jpg"]
    assert scan.companions() == {"outside of drops": 2}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Source.json", "there is Source.json: rename it to source.json"),
        ("SOURCE.JSON", "there is SOURCE.JSON: rename it to source.json"),
        ("source.json.txt", "there is source.json.txt: rename it"),
        ("sources.json", "there is sources.json: rename it"),
        ("source (1).json", "there is source (1).json: rename it"),
        ("source.jsn", "there is source.jsn: rename it"),
        ("source.txt", "there is source.txt: rename it"),
        ("source.json.json", "there is source.json.json: rename it"),
        ("album/source.json", "there is album/source.json, one folder too deep: move it up"),
    ],
)
def test_a_source_json_under_another_name_or_in_another_place_is_pointed_at(
    root: DataRoot, name: str, words: str
) -> None:
    folder = make_drop(root, "near", {"a.wav": b"x", name: json.dumps(facts()).encode()})
    drop = scanned(root)["near"]
    assert drop.status is DropStatus.INCOMPLETE
    assert words in (drop.reason or "")
    assert words in (incomplete_reason(root, folder, style_ids=STYLES) or "")


@pytest.mark.parametrize(
    ("there", "named", "hint"),
    [
        ("CD1/song.mp3", "song.mp3", "CD1/song.mp3"),
        ("Song.MP3", "song.mp3", "Song.MP3"),
        ("song.flac", "song.wav", "song.flac"),
        ("01 - song.mp3", "01 -song.mp3", "01 - song.mp3"),
    ],
)
def test_a_file_under_another_name_is_pointed_at(root: DataRoot, there: str, named: str, hint: str) -> None:
    make_drop(root, "near", {there: b"x"}, facts(files={named: {"title": "A"}}))
    drop = scanned(root)["near"]
    assert drop.status is DropStatus.INCOMPLETE
    assert f"named but not in the drop: {named} (is {hint} meant?)" in (drop.reason or "")


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_json", ["NFC", "NFD"])
def test_an_accent_may_be_written_in_two_ways(root: DataRoot, on_disk: str, in_json: str) -> None:
    def there(name: str) -> str:
        return unicodedata.normalize(on_disk, name)  # pyright: ignore[reportArgumentType]

    def said(name: str) -> str:
        return unicodedata.normalize(in_json, name)  # pyright: ignore[reportArgumentType]

    named = facts(
        files={said("Café/é.mp3"): {"title": "É", "lyrics": said("Café/é.txt")}},
        grant={**GRANT, "evidence": [{"document": said("reçu.pdf")}]},
    )
    receipt = documents.pdf(documents.WORDS)
    files = {there("Café/é.mp3"): b"x", there("Café/é.txt"): b"la", there("reçu.pdf"): receipt}
    make_drop(root, "accents", files, named)
    found = register(root)
    (drop,) = found.scan.drops
    assert (drop.status, drop.reason) == (DropStatus.ACCEPTED, None)
    origin = found.registry.tracks[0].origins[0]
    assert origin.title == "É"
    assert origin.lyrics_path and root.inside(origin.lyrics_path).read_bytes() == b"la"
    assert found.registry.tracks[0].lyrics_sha256
    assert [root.inside(item.path).read_bytes() for item in drop.evidence] == [receipt]
    assert set(drop.companions) == {"lyrics", "evidence"}


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_lyrics_are_no_evidence_however_their_accents_are_written(root: DataRoot, on_disk: str) -> None:
    words, named = (unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD"))
    files = {"a.mp3": b"x", {"NFC": words, "NFD": named}[on_disk]: documents.WORDS.encode()}
    grant = {**GRANT, "evidence": [{"document": named}]}
    make_drop(root, "accents", files, facts(defaults={"lyrics": words}, grant=grant))
    drop = scanned(root)["accents"]
    assert drop.status is DropStatus.REFUSED
    assert "is the lyrics of a track" in (drop.reason or "")


SOURCE = json.dumps(facts())
WRITTEN: dict[str, tuple[str | bytes, str]] = {
    "a key twice": ('{"license_type": "CC0 1.0",' + SOURCE[1:], 'the key "license_type" is given more than once'),
    "a key twice, further down": (
        SOURCE[:-1] + ', "files": {"a.wav": {"title": "A", "title": "B"}}}',
        'the key "title" is given more than once',
    ),
    "a file twice": (SOURCE[:-1] + ', "files": {"a.wav": {}, "./a.wav": {}}}', "the same file is named twice: a.wav"),
    "a file twice, in two spellings": (
        SOURCE[:-1] + ', "files": {"\\u00e9.wav": {}, "e\\u0301.wav": {}}}',
        "the same file is named twice: é.wav",
    ),
    "true for a number": (json.dumps(facts(cost=True)), "cost: must be a number, not true or false"),
    "a control character": (json.dumps(facts(provider="a\u0007b")), "provider holds the control character U+0007"),
    "a control character in a title": (
        json.dumps(facts(files={"a.wav": {"title": "a\u001b[2J"}})),
        "files.a.wav.title holds the control character U+001B",
    ),
    "a control character in a key": (json.dumps(facts(files={"a\u0001.wav": {}})), "a key holds the control"),
    "letters turned around": (json.dumps(facts(provider="a\u202eb")), "provider holds the control character U+202E"),
    "a comment": ('// mine\n' + SOURCE, "there is a comment, and JSON has none"),
    "a comment at the end of a line": (SOURCE.replace(",", ", # first\n", 1), "there is a comment"),
    "a comma too many": (SOURCE[:-1] + ",}", "there is a comma before the }; take it out"),
    "a comma too many in a list": (SOURCE.replace("]", ",]"), "there is a comma before the ]"),
    "a comma missing": (SOURCE.replace(", ", " ", 1), "a comma or a closing bracket is missing"),
    "single quotes": (SOURCE.replace('"', "'"), "straight double quotes"),
    "curly quotes": (SOURCE.replace('"', "“", 1), "straight double quotes"),
    "a word of Python": (SOURCE[:-1] + ', "cost": None}', "None is no word of JSON"),
    "a backslash": (SOURCE[:-1] + ', "notes": "C:\\music"}', "a backslash in a text is written twice"),
    "no number": (SOURCE[:-1] + ', "cost": NaN}', "NaN is no number in JSON"),
    "a number of thousands of digits": (SOURCE[:-1] + ', "cost": ' + 5000 * "9" + "}", "a number in it has thousands"),
    "two objects": (SOURCE + SOURCE, "something follows the end of the JSON"),
    "nothing": ("  \n", "it is empty"),
    "another encoding": (SOURCE.replace("tests", "caf\u00e9").encode("latin-1"), "line 1 is not UTF-8 text"),
    "a field by another name": (json.dumps({**facts(license_type=None), "licence_type": "CC0"}), "is license_type meant?"),
    "a field in capitals": (json.dumps({**facts(provider=None), "Provider": "me"}), "is provider meant?"),
    "a field of a file by another name": (
        json.dumps(facts(files={"a.wav": {"lyric": "a.txt"}})),
        "files.a.wav.lyric: Extra inputs are not permitted; is lyrics meant?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN)
def test_what_people_write_wrongly_is_said_in_words(root: DataRoot, case: str) -> None:
    text, words = WRITTEN[case]
    folder = make_drop(root, "odd", {"a.wav": b"x"})
    (folder / "source.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    drop = scanned(root)["odd"]
    assert drop.status is DropStatus.REFUSED, drop.reason
    assert words in (drop.reason or "")
    assert "\x1b" not in (drop.reason or "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_any_unicode_is_read(root: DataRoot, encoding: str) -> None:
    folder = make_drop(root, "odd", {"a.wav": b"x"})
    text = json.dumps(facts(provider="Café 音楽", notes="two\nlines\tand a tab"), ensure_ascii=False)
    (folder / "source.json").write_bytes(text.encode(encoding))
    drop = scanned(root)["odd"]
    assert drop.status is DropStatus.ACCEPTED, drop.reason
    assert drop.manifest and drop.manifest.provider == "Café 音楽"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(SOURCE)), new=st.text(max_size=4), gone=st.integers(0, 4))
def test_a_source_json_with_any_slip_of_the_pen_is_taken_or_refused_with_a_reason(
    root: DataRoot, cut: int, new: str, gone: int
) -> None:
    folder = make_drop(root, "odd", {"a.wav": b"x"})
    text = SOURCE[:cut] + new + SOURCE[cut + gone :]
    (folder / "source.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    drop = scanned(root)["odd"]
    assert drop.status is DropStatus.ACCEPTED or drop.reason


def test_hidden_files_come_and_go_without_another_scan(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.wav": b"x"}, facts())
    before = drop_signature(folder)
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / ".a.wav.Xy12").write_bytes(b"x")
    assert drop_signature(folder) == before
