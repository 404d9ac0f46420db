"""Lagrangian limits: what must not happen more often than so, at a price that rises until it does not. Values only; pure.

    touched healthy    drills in which something was touched with which nothing was wrong
    harmful            harmful repairs a drill

A price is added, in seconds, to what `ordertrainer.costs` says of the same thing; it rises with what is above the limit and falls
with what is below. So a limit that holds anyway costs nothing.

References:
    Tessler et al. 2019, Reward Constrained Policy Optimization.
"""

from dataclasses import dataclass, field
from typing import Final

NAMES: Final = ("healthy", "harmful")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is allowed, and how prices move.

    Attributes:
        healthy: share of drills in which something healthy may be touched.
        harmful: harmful repairs a drill.
        step_s: by how much a price rises for a rate that is 1 above its limit, an iteration.
        price_max_s: of each; so that a limit that cannot be held does not make a policy give up.
    """

    healthy: float = 0.01
    harmful: float = 0.005
    step_s: float = 150.0
    price_max_s: float = 240.0


@dataclass(slots=True, kw_only=True)
class Prices:
    """What it costs now to come near a limit.

    Attributes:
        limits: what is allowed.
        now_s: price of each by name, seconds.
    """

    limits: Limits
    now_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NAMES, 0.0))

    def learn(self, **rates: float) -> None:
        """Move prices by what happened.

        Args:
            rates: by name, as of the limits.
        """
        for name, rate in rates.items():
            moved = self.now_s[name] + self.limits.step_s * (rate - getattr(self.limits, name))
            self.now_s[name] = min(max(moved, 0.0), self.limits.price_max_s)
