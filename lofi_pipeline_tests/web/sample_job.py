"""A job to be launched from the browser."""

import dagster as dg


@dg.op
def speak(context: dg.OpExecutionContext) -> None:
    context.log.info("said by the op")


@dg.job
def sample() -> None:
    speak()


defs = dg.Definitions(jobs=[sample])
