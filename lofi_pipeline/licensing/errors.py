"""What can be wrong with the licence policy itself. A licence that is not permitted is a Verdict, not an error."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class PolicyError(RecordError):
    """config/licence_policy.yaml cannot be used as it is written; the message names the licence and the rule."""
