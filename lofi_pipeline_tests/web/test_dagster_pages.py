"""Dagster's own pages in a real browser: what they show without a click, where their links lead, and how the graph opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from dagster._core.workspace.load_target import WorkspaceFileTarget
from starlette.testclient import TestClient

from lofi_pipeline.assets.metadata import checkpoint_page
from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.checkpoints.manifest import activate_lineage, read_record
from lofi_pipeline.definitions import defs
from lofi_pipeline.installation import shipped
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.dagster_graph import GRAPH, GROUPS
from lofi_pipeline.web.door import Door
from lofi_pipeline.web.role import Role
from lofi_pipeline.web.server import dagster_context, guarded_app
from lofi_pipeline_tests.assets.test_tracks import run
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.web.browser import CHROMIUM, Page, browser
from lofi_pipeline_tests.web.serving import TOKENS, guarded_studio, listening, serving

TITLE = "<b>Rain</b> & me"


@dataclass(frozen=True)
class Pages:
    """Dagster and the studio of a data root with a good and a refused track, in a browser."""

    page: Page
    address: str

    def open(self, path: str) -> None:
        self.page.open(self.address + path)

    def wait_for_text(self, text: str) -> None:
        self.page.wait_for(f"document.body && document.body.innerText.includes({text!r})")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    root = DataRoot(tmp_path_factory.mktemp("pages") / "data").create()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "LOFI_DATA_ROOT"):
            patch.setenv(name, str(root.path))
        files = {"a.wav": song(0), "short.wav": song(9, 5.0)}
        make_drop(root, "one", files, facts(files={"a.wav": {"title": TITLE}}))
        with open_instance(root) as instance:
            assert run(instance, "register").success
            keys = instance.get_dynamic_partitions(str(TRACKS.name))
            assert run(instance, "ingest", tags=ranges_of(keys, keys, most=9)[0]).success
            socket, port = listening()
            target = WorkspaceFileTarget([str(shipped("workspace.yaml"))])
            with (
                dagster_context(instance, target, read_only=True) as context,
                serving(guarded_app(context, Door(port=port), root), socket),
                browser(tmp_path_factory.mktemp("profile")) as page,
            ):
                yield Pages(page, f"http://127.0.0.1:{port}")


@pytest.mark.slow
def test_a_track_is_shown_in_place_and_its_link_leads_to_the_studio(pages: Pages) -> None:
    pages.open("/assets/processed_audio?view=partitions&partition=track_001")
    pages.wait_for_text("audio_path")
    assert pages.page.wait_for("document.querySelector(\"img[src^='data:image/png']\")?.naturalWidth") > 0
    said = pages.page.ask("document.body.innerText")
    assert "[Show Markdown]" not in said
    assert TITLE in said  # as plain text
    with pages.page.raw.expect_popup() as opened:
        pages.page.raw.get_by_text("/studio/tracks/track_001").click()
    opened.value.wait_for_load_state()
    assert opened.value.url == f"{pages.address}/studio/tracks/track_001"
    assert "Rain" in opened.value.content()
    opened.value.close()


@pytest.mark.slow
def test_a_refused_track_shows_in_the_checks_of_its_stage(pages: Pages) -> None:
    pages.open("/assets/processed_audio?view=checks")
    pages.wait_for_text("no_track_is_refused")
    pages.wait_for_text("Failed")
    pages.wait_for_text("too short")


@pytest.mark.slow
def test_after_a_visit_to_the_studio_the_graph_opens_with_every_asset(pages: Pages) -> None:
    pages.open("/studio/")
    pages.wait_for_text("Checkpoints")
    pages.page.wait_for("localStorage.getItem('asset-graph-open-graph-nodes-global-__GLOBAL__')")
    pages.open(GRAPH)
    for asset in ("style_presets", "raw_tracks", "lora_training", "license_audit"):
        pages.wait_for_text(asset)


def test_a_checkpoint_links_to_its_row_on_the_page_of_its_training(root: DataRoot) -> None:
    make_folder(root, 20)
    folder = make_folder(root, 40)
    activate_lineage(root, make_lineage())
    link = str(checkpoint_page(read_record(folder)).value)
    client = TestClient(guarded_studio(root), base_url="http://127.0.0.1:3000")
    answer = client.get(link, headers={"Authorization": f"Bearer {TOKENS[Role.OWNER]}"})
    assert answer.status_code == 200
    assert f'id="{link.partition("#")[2]}"' in answer.text


def test_every_group_of_the_assets_is_opened() -> None:
    assert set(GROUPS) == {spec.group_name for spec in defs.resolve_all_asset_specs()}
