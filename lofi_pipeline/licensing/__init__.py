"""Licensing: what the policy says about the licence of a source. A working tool, not legal advice."""

from lofi_pipeline.licensing.errors import PolicyError
from lofi_pipeline.licensing.judge import judge, judge_source, training_rule
from lofi_pipeline.licensing.policy import Policy, load_policy
from lofi_pipeline.licensing.withdrawals import Withdrawal, load_withdrawals, withdraw

__all__ = [
    "Policy",
    "PolicyError",
    "Withdrawal",
    "judge",
    "judge_source",
    "load_policy",
    "load_withdrawals",
    "training_rule",
    "withdraw",
]
