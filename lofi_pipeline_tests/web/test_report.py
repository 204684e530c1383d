"""The report of a lineage as files: it opens from the disk, needs and names no server, and is written whole or not at all."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.lineages import find_lineage
from lofi_pipeline.cli.app import app
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.report import write_report
from lofi_pipeline_tests.checkpoints.folders import make_lineage
from lofi_pipeline_tests.checkpoints.lineages import SHORT, make_trained
from lofi_pipeline_tests.web.browser import CHROMIUM, browser


@pytest.fixture
def trained(root: DataRoot) -> DataRoot:
    return make_trained(root)


def written(root: DataRoot, clips: int = 12) -> Path:
    return write_report(root, find_lineage(root, None), RetentionSettings(), clips)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_command_writes_it_and_says_where(trained: DataRoot) -> None:
    done = CliRunner().invoke(app, ["report", SHORT, "--data", str(trained.path), "--clips", "2"])
    page = trained.path / "reports" / make_lineage().lineage / "index.html"
    assert done.exit_code == 0 and f"{page}: " in done.output
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "audio",
        "checkpoints.css",
        "clips.js",
        "index.html",
        "pictures",
        "studio.css",
    ]
    assert (
        len(list((page.parent / "audio").iterdir())) == 8 + 4
    )  # the third prompt has a clip to be looked at
    wrong = CliRunner().invoke(app, ["report", "ffff", "--data", str(trained.path)])
    assert wrong.exit_code != 0 and "no lineage begins with" in str(wrong.exception)


def test_it_names_no_host_and_everything_in_it_lies_beside_it(trained: DataRoot) -> None:
    page = written(trained)
    text = page.read_text()
    assert "http" not in text.replace("http-equiv", "") and str(trained.path) not in text
    assert "/studio" not in text and "<b>saxophone" not in text and "&lt;b&gt;saxophone" in text
    named = re.findall(r'(?:src|href|data-audio)="([^"]*)"', text)
    assert len(named) == 3 + 2 * 12 + 1 and all((page.parent / name).is_file() for name in named)
    gains = [float(gain) for gain in re.findall(r'data-gain="([^"]*)"', text)]
    assert len(gains) == 12 and max(gains) == 0.0  # a browser can't make a file louder


def test_a_report_that_can_t_be_finished_leaves_the_former_as_it_was(
    trained: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = written(trained)
    before = files_in(trained.reports)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        written(trained)
    assert files_in(trained.reports) == before and page.is_file()
    monkeypatch.undo()
    assert len(files_in(written(trained, clips=1).parent)) < len(before)


def test_it_opens_from_the_disk_after_it_was_sent(trained: DataRoot, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    sent = tmp_path / "sent"
    shutil.copytree(written(trained).parent, sent)
    shutil.rmtree(trained.path)
    wrong: list[str] = []
    with browser(tmp_path / "profile") as page:
        page.raw.on("console", lambda message: wrong.append(message.text))
        page.raw.on("pageerror", lambda error: wrong.append(str(error)))
        page.raw.on("requestfailed", lambda request: wrong.append(request.url))
        for width in (1280, 375):
            page.set_width(width)
            page.raw.goto((sent / "index.html").as_uri(), wait_until="load")
            assert page.ask("document.documentElement.scrollWidth") <= width
        assert page.raw.inner_text("h1") == f"Report of lineage {SHORT}"
        page.raw.locator(".clip").first.click()
        heard = "document.querySelector('.clip[aria-pressed=true]')?.dataset.audio"
        assert page.wait_for(heard) == "audio/001-step0.flac"
        assert page.wait_for("document.querySelector('audio').currentTime > 0")
        page.raw.keyboard.press("ArrowRight")
        assert page.wait_for(heard) == "audio/001-step10.flac"
        page.wait_for("[...document.images].every(it => it.naturalWidth)")
        assert not wrong
        assert page.violations() == []
