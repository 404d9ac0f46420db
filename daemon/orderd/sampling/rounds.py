"""When the next round of something periodic is due. Pure.

Rounds keep the phase of the first one: what began together wakes the processor together, and what took long does not drift.
"""

import math


def next_round_s(first_s: float, began_s: float, every_s: float, least_s: float = 0.0) -> float:
    """Return when the round after the one that began at ``began_s`` is due, on the clock of both.

    Args:
        first_s: when the first round began.
        began_s: when the newest round began, in phase or out of it.
        every_s: from one round to the next.
        least_s: a round nearer than this to ``began_s`` is left out.
    """
    due_s = first_s + (math.floor((began_s - first_s) / every_s) + 1) * every_s
    return due_s + every_s if due_s - began_s < least_s else due_s
