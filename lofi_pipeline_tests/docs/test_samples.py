"""What the pages show is taken as it stands: source.json, settings, the layout of a data root, the picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from lofi_pipeline.entities import DropManifest, Evidence, Grant
from lofi_pipeline.entities.source import DropFile
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.docs.assets_page import specs, upstream
from lofi_pipeline_tests.docs.graph_svg import Layout
from lofi_pipeline_tests.docs.markdown import ROOT
from lofi_pipeline_tests.docs.pages import NAMES, blocks, in_code_type
from lofi_pipeline_tests.docs.settings_page import settings
from lofi_pipeline_tests.documents import WORDS, pdf
from lofi_pipeline_tests.drops import make_drop, register, song

MUSIC = "docs/music.md"


def test_the_source_json_that_is_shown_is_accepted(root: DataRoot) -> None:
    shown = json.loads(blocks(MUSIC, "json")[0])
    manifest = DropManifest.parse(shown, where=MUSIC, context={"style_ids": set(load_presets())})
    files: dict[str, Path | bytes] = {name: song() for name in manifest.files}
    files |= {"evening.txt": b"Evening falls\n", "contract.pdf": pdf(WORDS)}
    make_drop(root, "evening", files, shown, kind=manifest.source_type)
    assert register(root).scan.refusals() == []


def test_the_grant_that_is_shown_is_one() -> None:
    Grant.parse(json.loads(f"{{{blocks(MUSIC, 'json')[1]}}}")["grant"], where=MUSIC)


@pytest.mark.parametrize("model", [DropManifest, DropFile, Grant, Evidence])
def test_every_field_of_source_json_is_described(
    model: type[DropManifest | DropFile | Grant | Evidence],
) -> None:
    assert set(model.model_fields) - set(in_code_type(MUSIC)) == set()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_settings_that_are_shown_exist(name: str) -> None:
    keys = {setting.key for setting in settings()}
    sections = {key.split(".")[0] for key in keys}
    for block in blocks(name, "yaml"):
        for section, values in yaml.safe_load(block).items():
            assert {f"{section}.{key}" for key in values} <= keys
    named = {text for text in in_code_type(name) if re.fullmatch(rf"({'|'.join(sections)})\.[a-z_]+", text)}
    files = {text for text in named if text.endswith(".json")}
    assert named - files - keys - {"training.presets", "evaluation.sampling"} == set()


def test_every_folder_of_a_data_root_is_named(root: DataRoot) -> None:
    folders = [*(path for path in root.path.iterdir() if path.is_dir()), root.cache, root.audits]
    named = in_code_type("docs/architecture.md")
    assert [path.name for path in folders if f"data/{path.name}/" not in named] == []


def test_every_asset_and_every_arrow_is_in_the_picture() -> None:
    svg = ElementTree.fromstring((ROOT / "docs" / "asset-graph.svg").read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in svg.iter(f"{space}text")]
    deps = {name: upstream(spec) for name, spec in specs().items()}
    assert [name for name in deps if name not in texts] == []
    arrows = [path for path in svg.iter(f"{space}path") if path.get("marker-end")]
    assert len(arrows) == sum(map(len, deps.values()))
    layout = Layout(deps)
    assert len({(layout.x(name), layout.y(name)) for name in deps}) == len(deps), "boxes lie on each other"
    assert all(layout.y(up) < layout.y(name) for name in deps for up in deps[name]), "an arrow points up"
