"""`lofi bench hearing`: what is heard against what somebody knows, and truth files that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.ingest.hearing_bench import (
    ACC2,
    HeardTrack,
    compare,
    key_score,
    tempo_is_right,
)
from lofi_pipeline.ingest.hearing_truth import Truth, TruthError, key_number, read_truth
from lofi_pipeline_tests.drops import song

HEAD = "file,tempo,key,metre,voice\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "music"
    (found / "more").mkdir(parents=True)
    (found / "a.wav").touch()
    (found / "more" / "b.wav").touch()
    (tmp_path / "outside.wav").touch()
    return found


@pytest.mark.slow  # librosa compiles itself
def test_recordings_are_heard_beside_librosa(tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    shutil.copyfile(song(1), folder / "a.wav")  # 78 bpm, D minor
    (folder / "b.wav").write_bytes(b"this is no music")
    truth, answer = tmp_path / "truth.csv", tmp_path / "found.json"
    truth.write_text(HEAD + "a.wav,78,D minor,4/4,no\nb.wav,90,,,\n")
    arguments = ["bench", "hearing", str(folder), "--truth", str(truth), "--json", str(answer)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output  # one could not be read
    found = json.loads(answer.read_bytes())
    assert found["recordings"] == 1 and list(found["unreadable"]) == ["b.wav"]
    assert found["tempo_acc2"]["lofi"] == {"right": 1, "of": 1}
    assert found["tempo_acc2"]["librosa"]["of"] == found["key_weighted"]["librosa"]["of"] == 1
    assert found["key_exact"]["lofi"] == found["metre"]["lofi"] == {"right": 1, "of": 1}
    assert "tempo within 4 %" in done.output and "b.wav" in done.output


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("name,tempo\n", "line 1: no column `file`"),
        ("file,bpm\n", "line 1, column 2: unknown column 'bpm'"),
        ("file,key,key\n", "line 1, column 3: key is there twice"),
        (HEAD + "a.wav,fast,,,\n", "line 2, column tempo: 'fast' is not a tempo"),
        (HEAD + "a.wav,nan,,,\n", "line 2, column tempo"),
        (HEAD + "a.wav,0.5,,,\n", "line 2, column tempo"),
        (HEAD + "\na.wav,,H minor,,\n", "line 3, column key: 'H minor'"),
        (HEAD + "a.wav,,,9/8,\n", "line 2, column metre: '9/8'"),
        (HEAD + "a.wav,,,,perhaps\n", "line 2, column voice"),
        (HEAD + "a.wav,80\n", "line 2: has 2 cells, the first line has 5"),
        (HEAD + "c.wav,,,,\n", "line 2, column file: 'c.wav' is not in"),
        (HEAD + "../outside.wav,,,,\n", "line 2, column file"),
        (HEAD + "a\0.wav,,,,\n", "line 2, column file"),
        (HEAD + "a" * 5000 + ",,,,\n", "line 2, column file"),
        (HEAD + ",80,,,\n", "line 2, column file"),
        (
            HEAD + "a.wav,,,,\nmore/b.wav,,,,\na.wav,,,,\n",
            "line 4, column file: 'a.wav' is in line 2 already",
        ),
        (HEAD + '"a.wav,,,,\n', "no CSV"),
    ],
)
def test_a_truth_file_that_cannot_be_used_is_named_by_line_and_column(
    tmp_path: Path, folder: Path, text: str, because: str
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(text)
    with pytest.raises(TruthError) as caught:
        read_truth(truth, folder)
    assert because in str(caught.value) and str(truth) in str(caught.value)


def test_a_truth_file_as_spreadsheets_write_it_is_read(tmp_path: Path, folder: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_bytes("\ufeffVoice,File,Tempo,Key\r\nYes,a.wav,92.5,Ebm\r\n,,,\r\n,more/b.wav,,\r\n".encode())
    assert read_truth(truth, folder) == [
        Truth(file="a.wav", tempo=92.5, tonic=3, mode="minor", voice=True),
        Truth(file="more/b.wav"),
    ]


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("A minor", (9, "minor")),
        ("Am", (9, "minor")),
        ("AM", (9, "major")),
        ("C", (0, "major")),
        ("Db:maj", (1, "major")),
        ("f# Minor", (6, "minor")),
        ("Cb major", (11, "major")),
        ("x", None),
    ],
)
def test_keys_in_many_spellings(key: str, number: tuple[int, str] | None) -> None:
    assert key_number(key) == number


@pytest.mark.parametrize(
    ("measured", "true", "score"),
    [
        ((9, "minor"), (9, "minor"), 1.0),
        ((4, "minor"), (9, "minor"), 0.5),
        ((2, "minor"), (9, "minor"), 0.0),
        ((0, "major"), (9, "minor"), 0.3),
        ((9, "minor"), (0, "major"), 0.3),
        ((9, "major"), (9, "minor"), 0.2),
        ((6, "major"), (9, "minor"), 0.0),
    ],
)
def test_keys_are_weighted_as_by_mirex(
    measured: tuple[int, str], true: tuple[int, str], score: float
) -> None:
    assert key_score(measured, true) == score


@pytest.mark.parametrize(
    ("measured", "first", "second"),
    [(80, True, True), (83.1, True, True), (83.3, False, False), (160, False, True), (26.7, False, True), (120, False, False)],
)  # fmt: skip
def test_tempos_count_once_exactly_and_once_with_octaves_and_triples(
    measured: float, first: bool, second: bool
) -> None:
    assert tempo_is_right(measured, 80) is first and tempo_is_right(measured, 80, ACC2) is second


def test_only_what_is_known_counts_and_said_counts_what_a_prompt_says() -> None:
    def heard(file: str, said: bool) -> HeardTrack:
        return HeardTrack(
            file=file, tempo=80, tempo_said=said, tonic=0, mode="major", metre="4/4", voice=False,
            instrumental_said=said, librosa_tempo=160, librosa_tonic=7, librosa_mode="major",
        )  # fmt: skip

    truths = [Truth(file="a", tempo=80, voice=True), Truth(file="b", tempo=100, voice=False), Truth(file="c")]
    found = compare(truths, {each: heard(each, each != "b") for each in "abc"}, {})
    assert found.tempo_acc1["lofi"].share == 0.5 and found.tempo_acc1["said"].share == 1.0
    assert (found.tempo_acc1["librosa"].share, found.tempo_acc2["librosa"].share) == (0.0, 0.5)
    assert (found.voice["lofi"].share, found.voice["said"].share) == (0.5, 0.0)
    assert found.key_exact["lofi"].share is None and found.metre["lofi"].of == 0


def test_what_librosa_compiles_is_left_to_no_other_process() -> None:
    """Files that two processes wrote at once beside librosa crash each later one (numba's issue 10128)."""
    program = (
        "import sys; from pathlib import Path; from lofi_pipeline.ingest import hearing_bench;"
        "hearing_bench._librosa(); folder = sys.modules['numba'].config.CACHE_DIR;"
        "print(folder, Path(folder).is_dir(), 'librosa.util.utils' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    folder, is_there, has_compiled = ran.stdout.split()
    assert (is_there, has_compiled) == ("True", "False"), (
        "librosa compiles when its functions are first asked for"
    )
    assert not Path(folder).exists(), "goes with the process"
