"""What is posted to a webhook when a run fails, and that nothing is where none is named."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import dagster as dg
import pytest

from lofi_pipeline.automation.failure_alert import failure_alert
from lofi_pipeline.definitions import defs

WORDS = "1 of 2 tracks failed: track_001 (raw/<!channel> & co/a\x1b[2J.wav): no & <b>sound</b>"


@dg.op
def fails() -> None:
    raise dg.Failure(WORDS, allow_retries=False)


@dg.job(executor_def=dg.in_process_executor)
def ingest() -> None:
    fails()


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """What a webhook on this machine was sent."""
    found: list[dict[str, str]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("LOFI_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    yield found
    server.shutdown()
    thread.join(timeout=30)
    server.server_close()


def tell(instance: dg.DagsterInstance) -> object:
    result = ingest.execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_alert",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    return failure_alert(context)


def test_a_failed_run_is_told_with_its_reason_as_plain_text(
    instance: dg.DagsterInstance, posted: list[dict[str, str]]
) -> None:
    tell(instance)
    (message,) = posted
    assert set(message) == {"text"}
    text = message["text"]
    assert (
        text.startswith("lofi: ingest failed (run ") and "track_001" in text and "no &amp; &lt;b&gt;" in text
    )
    assert "<" not in text and "\x1b" not in text


def test_without_an_address_nothing_is_sent_and_one_that_is_down_stops_nothing(
    instance: dg.DagsterInstance, posted: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOFI_ALERT_WEBHOOK")
    assert "is not set" in str(tell(instance))
    for address, words in (("http://127.0.0.1:9/x", "does not take"), ("file:///etc/passwd", "https://")):
        monkeypatch.setenv("LOFI_ALERT_WEBHOOK", address)
        assert words in str(tell(instance))
    assert not posted


def test_every_job_is_watched() -> None:
    (sensor,) = [it for it in defs.get_repository_def().sensor_defs if it.name == "failure_alert"]
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
