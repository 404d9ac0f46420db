"""What trouble and repairs cost, all in seconds that a host is out of order. Pure.

A second in which something is wrong costs one. Everything else is said in such seconds, so that people can compare it: a person
woken for nothing is worth so and so many seconds of a service being down. Training minimises the sum; the weights are what
operators change with their preferences.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The weights of a sum; seconds.

    Attributes:
        repair: a repair that touches its target.
        risk: each step of a repair's risk, from none upwards (`orderd.domain.repairs.Risk`).
        host_wide: a repair that reaches beyond its target.
        healthy: touching an entity with which nothing is wrong.
        harm: a repair that does lasting harm in vain.
        call: calling a person for what no repair can end.
        false_call: calling one for nothing, or for what could have been repaired.
    """

    repair: float = 2.0
    risk: float = 3.0
    host_wide: float = 10.0
    healthy: float = 60.0
    harm: float = 60.0
    call: float = 20.0
    false_call: float = 120.0
