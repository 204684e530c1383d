"""Licensing: what the policy says about the licence of a source. A working tool, not legal advice.

Whether a whole data set or checkpoint rests on permitted sources is asked in audit/.
"""

from lofi_pipeline.licensing.errors import PolicyError
from lofi_pipeline.licensing.judge import judge, stricter
from lofi_pipeline.licensing.judge_source import judge_source
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
    "withdraw",
    "withdrawn_contents",
    "withdrawn_sources",
]
