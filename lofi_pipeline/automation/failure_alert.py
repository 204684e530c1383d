"""failure_alert: tells a webhook, such as Slack's, of each run that failed while the UI's daemon runs."""

import json
from urllib.parse import urlsplit

import dagster as dg

from lofi_pipeline.entities import visible
from lofi_pipeline.environment import WEBHOOK_VARIABLE, Environment

TIMEOUT_SECONDS = 10
_MOST = 2_000
"""Characters of a reason; Slack cuts a message at 40,000, and nobody reads them."""


@dg.run_failure_sensor(
    name="failure_alert",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Posts each failed run to the address in {WEBHOOK_VARIABLE}; without one it does nothing.",
)
def failure_alert(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell of one run. An address that does not answer is logged: the next failure is told again."""
    address = Environment.read().alert_webhook
    if address is None:
        return dg.SkipReason(f"{WEBHOOK_VARIABLE} is not set")
    if urlsplit(address).scheme not in ("http", "https"):
        return dg.SkipReason(f"{WEBHOOK_VARIABLE} is no address that begins with https://")
    try:
        _post(address, message_of(context))
    except OSError as error:
        context.log.error(
            f"{WEBHOOK_VARIABLE}: {type(error).__name__}: the address does not take the message"
        )
        return dg.SkipReason("the address does not take the message")
    return None


def message_of(context: dg.RunFailureSensorContext) -> dict[str, str]:
    """What is posted: JSON as Slack, Mattermost and others take it. Names of files stand in it, which may hold anything."""
    reasons = [
        data.user_failure_data.description or ""
        for event in context.get_step_failure_events()
        if (data := event.step_failure_data).user_failure_data
    ]
    reason = " ".join(filter(None, reasons)) or context.failure_event.message or "no reason was given"
    run = context.dagster_run
    text = f"lofi: {run.job_name} failed (run {run.run_id[:8]}): {visible(reason)[:_MOST]}"
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def _post(address: str, message: dict[str, str]) -> None:
    from urllib.request import Request, urlopen

    request = Request(address, json.dumps(message).encode(), headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=TIMEOUT_SECONDS):
        pass
