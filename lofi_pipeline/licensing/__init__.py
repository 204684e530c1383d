"""Licensing: what the policy says about the licence of a source. A working tool, not legal advice."""

from lofi_pipeline.licensing.errors import PolicyError
from lofi_pipeline.licensing.judge import judge, judge_source, stricter, training_rule
from lofi_pipeline.licensing.policy import Policy, load_policy
from lofi_pipeline.licensing.withdrawals import (
    Withdrawal,
    load_withdrawals,
    withdraw,
    withdrawn_contents,
    withdrawn_sources,
)

__all__ = [
    "Policy",
    "PolicyError",
    "Withdrawal",
    "judge",
    "judge_source",
    "load_policy",
    "load_withdrawals",
    "stricter",
    "training_rule",
    "withdraw",
    "withdrawn_contents",
    "withdrawn_sources",
]
