"""Finding codes: each says what it means and what to do, and reports that were written before read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lofi_pipeline
from lofi_pipeline.entities import Finding, FindingCode, RecordError

SENTENCE = re.compile(r"[A-Z].*\.")
PACKAGE = Path(lofi_pipeline.__file__).parent


@pytest.mark.parametrize("code", FindingCode)
def test_each_code_says_what_it_means_and_what_to_do(code: FindingCode) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert SENTENCE.fullmatch(code.description)
    assert SENTENCE.fullmatch(code.advice)


def test_descriptions_tell_codes_apart() -> None:
    assert len({code.description for code in FindingCode}) == len(FindingCode)


@pytest.mark.parametrize("code", FindingCode)
def test_each_code_is_found_somewhere(code: FindingCode) -> None:
    sources = [*(PACKAGE / "audit").rglob("*.py"), PACKAGE / "cli" / "audit.py"]
    assert any(f"FindingCode.{code.name}," in path.read_text() for path in sources), code


def test_a_finding_of_an_old_report_reads_back_and_an_unknown_code_is_refused() -> None:
    data = {"severity": "error", "code": "source-withdrawn", "where": "session", "sentence": "It ended."}
    found = Finding.parse(data, where="report.json")
    assert found.code is FindingCode.SOURCE_WITHDRAWN
    assert found.model_dump(mode="json") == data
    with pytest.raises(RecordError, match="code"):
        Finding.parse({**data, "code": "luck"}, where="report.json")
