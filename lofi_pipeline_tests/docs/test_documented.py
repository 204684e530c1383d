"""Nothing that a user can set, give or meet is without a description."""

from __future__ import annotations

import pytest

from lofi_pipeline_tests.docs import assets_page, cli_page, findings_page, packages, settings_page
from lofi_pipeline_tests.docs.markdown import ROOT


def test_every_setting_says_what_it_is() -> None:
    assert [setting.key for setting in settings_page.settings() if not setting.description.strip()] == []
    assert [name for name, about in settings_page.sections().items() if not about] == []


def test_every_environment_variable_is_on_the_page() -> None:
    described = {name for name, text in settings_page.environment().items() if text}
    assert settings_page.variables_in_code() - described == set()
    assert set(settings_page.OTHERS) - settings_page.variables_in_code() == set(), "named, but never read"


def test_every_key_of_the_shipped_configuration_is_on_the_page() -> None:
    known = {part for setting in settings_page.settings() for part in setting.key.split(".")}
    shipped = (ROOT / "config" / "pipeline.yaml").read_text(encoding="utf-8").splitlines()
    written = {
        line.split(":")[0].strip()
        for line in shipped
        if line.startswith("  ") and "#" not in line.split(":")[0]
    }
    names = {"nano", "ace-step"}
    assert written - known - names == set()


@pytest.mark.parametrize(
    ("name", "command"), list(cli_page.commands()), ids=lambda it: it if isinstance(it, str) else ""
)
def test_every_command_and_option_says_what_it_does(name: str, command: object) -> None:
    assert cli_page.help_of(command).strip()
    for item in cli_page.parameters(command):
        assert cli_page.help_of(item).strip(), f"{name}: {item.name}"


def test_every_asset_check_job_and_sensor_says_what_it_is() -> None:
    assert all((spec.description or "").strip() for spec in assets_page.specs().values())
    assert all((check.description or "").strip() for own in assets_page.checks().values() for check in own)
    assert all((job.description or "").strip() for job in assets_page.jobs())
    page = (ROOT / "docs" / "assets.md").read_text(encoding="utf-8")
    names = {*assets_page.specs(), *(job.name for job in assets_page.jobs())}
    assert [name for name in names if f"`{name}`" not in page] == []
    repository = assets_page.defs.get_repository_def()
    for starter in [*repository.sensor_defs, *repository.schedule_defs]:
        assert (starter.description or "").strip(), starter.name


def test_every_finding_says_what_it_means_and_what_to_do() -> None:
    assert findings_page.findings()
    assert [code for code, texts in findings_page.findings().items() if not all(map(str.strip, texts))] == []


def test_every_package_and_target_says_what_it_is_for() -> None:
    assert [name for layer in packages.layers() for name in layer if not packages.about(name)] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = makefile.split(".PHONY:")[1].splitlines()[0].split()
    assert set(phony) == set(packages.make_targets())
