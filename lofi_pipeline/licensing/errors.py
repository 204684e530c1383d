"""What can be wrong with a licence's text or with the policy. A licence that is not permitted is a Verdict, not an error."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class LicenceError(RecordError):
    """What is written about licences cannot be used; the message says where and what to change."""


class PolicyError(LicenceError):
    """config/licence_policy.yaml cannot be used as it is written; the message names the licence and the rule."""


class UnreadableLicence(LicenceError):
    """A licence's name holds characters that make it look like something it is not; type it again by hand."""
