"""What a cure did beside curing, from inventories before, broken, repaired and after the revert. Pure.

before --fault--> broken --repair--> repaired --revert--> after
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from orderd.domain.inventory import matches
from ordertrainer.drill.snapshot import Difference, Snapshot, Unit, differences, passes

PROCESS: Final = "process"
ABSENT: Final = "not-found"
"""How systemd calls a unit that only others speak of: it is listed when one of them is loaded, and forgotten with it."""
LASTING_UNITS: Final = (".service", ".socket", ".timer", ".mount")


def collateral(before: Snapshot, broken: Snapshot, repaired: Snapshot, after: Snapshot, touches: Iterable[str]) -> list[str]:
    """Return what a repair changed beyond its contract, one sentence each; empty when nothing.

    What is different in the end, and the healthy services that were restarted or stopped between the fault and the verdict.
    Whatever the fault itself did and the revert took back is nobody's.

    Args:
        before: nothing was broken.
        broken: the fault had landed.
        repaired: the repair was verified.
        after: the injection was reverted.
        touches: the contract's patterns, the target filled in.
    """
    patterns = tuple(touches)
    lasting = [each.words for each in differences(before, after) if not excused(each, patterns)]
    return [*lasting, *(words for name, words in _disturbed(broken, repaired) if not _named(f"unit {name}", patterns))]


def excused(difference: Difference, touches: Iterable[str]) -> bool:
    """Tell whether a contract says that its repair may make this difference."""
    if difference.kind == PROCESS:
        return any(touch == PROCESS or matches(touch, f"unit {difference.name}") for touch in touches)
    if difference.kind == "limits":
        return _named(f"unit {difference.name}", touches)
    return _named(f"{difference.kind} {difference.name}", touches)


def overwritten(before: Snapshot, broken: Snapshot, repaired: Snapshot, after: Snapshot) -> list[str]:
    """Return what the repair had put right and the revert changed again; empty when the revert kept its hands off.

    A thing that is the fault's own making, neither there before nor after, may go: the revert clears away what the repair left.
    """
    was, ill, well, now = (things(each) for each in (before, broken, repaired, after))
    mended = {thing for thing in ill.keys() | well.keys() if ill.get(thing) != well.get(thing)}
    return sorted(
        f"{thing}: the revert changed it after the repair had"
        for thing in mended
        if now.get(thing) != well.get(thing) and not (thing not in was and thing not in now)
    )


def things(snapshot: Snapshot) -> dict[str, str]:
    """Return everything of an inventory that has a name, as ``KIND NAME`` -> state."""
    found = {f"unit {name}": _state(unit) for name, unit in snapshot.units.items() if _lasts(name) and unit.LoadState != ABSENT}
    found |= {f"file {path}": state for files in (snapshot.etc, snapshot.run_units) for path, state in files.items()}
    found |= {f"mount {mount.split()[0]}": mount for mount in snapshot.mounts}
    found["nft ruleset"] = snapshot.nft
    for kind, named in snapshot.things.items():
        if kind != "limits":  # those of a process that was restarted are read while it starts
            found |= {f"{kind} {name}": state for name, state in named.items()}
    return {thing: state for thing, state in found.items() if not _armed(thing)}


def _armed(thing: str) -> bool:
    """Tell whether a thing belongs to the experiment itself, which goes with the revert."""
    return "orderd-chaos" in thing


def _lasts(unit: str) -> bool:
    return unit.endswith(LASTING_UNITS) and not passes(unit)


def _state(unit: Unit) -> str:
    """Return what a unit is; one that runs to its end is not told by whether it ran meanwhile, which its timer decides."""
    run = "" if unit.Type == "oneshot" and unit.ActiveState != "active" else f" {unit.ActiveState} {unit.InvocationID}"
    return f"{unit.LoadState} {unit.UnitFileState}{run}"


def _disturbed(broken: Snapshot, repaired: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield the services that ran beside the fault and were restarted or stopped by somebody; systemd itself is nobody."""
    for name, was in sorted(broken.units.items()):
        if not name.endswith(".service") or passes(name) or _armed(name) or not was.active or was.Type == "oneshot":
            continue
        now = repaired.units.get(name, Unit())
        if was.Transient == "yes" and not now.active:
            continue  # the fault's own, or a job that was over
        if was.InvocationID != now.InvocationID and now.NRestarts in {"", "0"}:
            yield name, f"{name} was {'restarted' if now.active else 'stopped'}"


def _named(thing: str, touches: Iterable[str]) -> bool:
    """Tell whether a pattern means a thing, or, of a directory, something in it."""
    return any(matches(touch, thing) or touch.startswith(f"{thing}/") for touch in touches)
