"""The ways to undo a fault. Each captures what was there before, and later acts only where the fault's own doing still stands.

Touches: what the kinds of each file here touch, as the step names it.

That is a compare-and-swap: a revert never overwrites a repair. Every kind is a pair of functions: `capture` refuses a host that
is not in order, `revert` says in one sentence what it did.
"""

from __future__ import annotations

from failures import Refused

from undo import files, mounts, network, processes, system, units, upkeep

KINDS = {**files.KINDS, **mounts.KINDS, **network.KINDS, **units.KINDS, **system.KINDS, **processes.KINDS, **upkeep.KINDS}


def capture(step: dict) -> object:
    """Return what `revert` has to know about the time before the fault.

    Raises:
        Refused: the host is not in the state that the fault starts from.
    """
    return _kind(step)[0](step)


def revert(step: dict, before: object, boot: str) -> str:
    """Undo one step where it still stands.

    Args:
        step: as it was armed.
        before: what `capture` returned.
        boot: id of the boot that `before` was captured in.
    """
    return _kind(step)[1](step, before, boot)


def _kind(step: dict) -> tuple:
    if step.get("undo") not in KINDS:
        raise Refused(f"undo = {step.get('undo')!r}; allowed: {', '.join(KINDS)}")
    return KINDS[step["undo"]]
