"""What a plan comes to: how much of each thing that costs, before any weight is put on it. Pure.

Axes: C column: seconds of trouble first, whose weight is 1, then one for each weight of `ordertrainer.costs`.
"""

from typing import Final

import msgspec

from ordertrainer.costs import NAMES, Costs

COLUMNS: Final = ("trouble_s", *NAMES)
MEANS: Final = {
    "repair": "a repair that touches its target",
    "risk": "each step of a repair's risk",
    "host_wide": "a repair that reaches beyond its target",
    "healthy": "touching what nothing is wrong with",
    "harm": "lasting harm in vain",
    "call": "calling a person who is needed",
    "false_call": "calling a person for nothing",
}
"""Each weight in a few words, for people."""


class Bill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much of everything a plan comes to.

    Attributes:
        trouble_s: seconds in which something was wrong.
        repair, risk, host_wide, healthy, harm, call, false_call: how often; see `ordertrainer.costs.Costs`.
    """

    trouble_s: float = 0.0
    repair: float = 0.0
    risk: float = 0.0
    host_wide: float = 0.0
    healthy: float = 0.0
    harm: float = 0.0
    call: float = 0.0
    false_call: float = 0.0

    @property
    def row(self) -> tuple[float, ...]:
        """Return it in the order of COLUMNS."""
        return tuple(getattr(self, name) for name in COLUMNS)


def total_s(costs: Costs, bill: Bill) -> float:
    """Return what a bill comes to under some weights, in seconds of trouble."""
    return bill.trouble_s + sum(getattr(costs, name) * getattr(bill, name) for name in NAMES)
