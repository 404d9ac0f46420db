"""What a landed fault looks like to somebody who knows nothing of the injector: conditions on the kernel's and systemd's state.

Touches: what the kinds of each file here read; nothing is ever written. Every kind is a pair: `capture` returns what `seen` has
to know about the time before the fault.
"""

from __future__ import annotations

from failures import Refused

from sights import files, mounts, network, processes, system, units, upkeep

KINDS = {**processes.KINDS, **units.KINDS, **files.KINDS, **network.KINDS, **mounts.KINDS, **system.KINDS, **upkeep.KINDS}


def capture(sight: dict) -> object:
    """Return what `seen` has to know about the time before the fault.

    Raises:
        Refused: the kind is unknown, or what it looks at is not there.
    """
    if sight.get("see") not in KINDS:
        raise Refused(f"see = {sight.get('see')!r}; allowed: {', '.join(KINDS)}")
    return KINDS[sight["see"]][0](sight)


def seen(sight: dict, before: object) -> bool:
    """Tell whether the condition holds now."""
    return KINDS[sight["see"]][1](sight, before)
