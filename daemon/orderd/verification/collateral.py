"""What else changed while a repair ran: two inventories held against what its contract may touch. Pure.

A false alarm takes a good repair's authority away, so only what a repair can have done is blamed on it:

- a unit that ran and is wanted (declared, or wanted by a target) and was stopped, restarted, or failed; a unit that was masked or
  is masked now. Not: one that was not at rest before, one that systemd restarted by itself, one that started, one that is made
  and ended by logins, by timers or by orderd itself, and one that nothing wants to run: such a unit may end when it likes.
- a watched file that was added, removed, or has another content.
- a mount that is gone or can be written now; not one that appeared or that the kernel made read-only.
- a link that was set down or has another MTU; not one that came or went, which containers' do.
- a listener that is gone, where the repair touches neither units nor processes: whoever stops a unit stops what it listens on.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from orderd.domain.faults import Entity
from orderd.domain.inventory import Inventory, matches

COLLATERAL_MAX: Final = 16
"""Things named at most; more than that is told as a number."""

# Made, ended or restarted by systemd, by logins, by timers and by orderd, whatever a repair does.
_NOBODYS: Final = (
    "orderd*",
    "session-*",
    "user@*",
    "user-*",
    "run-*",
    "sshd@*",
    "ssh@*",
    "*getty@*",
    "systemd-*-clean.service",
    "systemd-*-update*",
    "systemd-hostnamed.service",
    "systemd-timedated.service",
    "systemd-localed.service",
    "apt-*",
    "dpkg-*",
    "logrotate.service",
    "man-db.service",
    "fstrim.service",
    "packagekit.service",
)


def compare(
    before: Inventory, after: Inventory, *, touches: Iterable[str], target: Entity, meanwhile: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return what changed beyond a repair's contract, one sentence each, in order of name; empty when nothing did.

    Args:
        before: taken before the repair was started.
        after: taken when its target was verified, so that what it started has come up.
        touches: the contract's patterns; ``{target}`` is filled in here.
        target: the repaired entity.
        meanwhile: patterns of what others may have changed at the same time: ``Repair.touched(...)`` of other repairs, ``unit X``
            for units that people were changing or that had failed before; ``*`` when the whole host was being changed.
    """
    if "*" in (meanwhile := tuple(meanwhile)):
        return ()
    excused = [pattern.replace("{target}", target.key) for pattern in (*touches, *meanwhile)]
    found = [
        f"{thing}: {what}"
        for thing in sorted(before.things.keys() | after.things.keys())
        if (what := _blamed(thing, before.things.get(thing), after.things.get(thing), excused))
        and not any(matches(pattern, thing) for pattern in excused)
    ]
    more = len(found) - COLLATERAL_MAX
    return (*found[:COLLATERAL_MAX], f"and {more} more") if more > 0 else tuple(found)


def words(state: str) -> dict[str, str]:
    """Return a state written as ``name=value`` words."""
    return {name: value for name, _, value in (word.partition("=") for word in state.split())}


def _blamed(thing: str, before: str | None, after: str | None, excused: Iterable[str]) -> str:
    """Say how a thing changed in a way that a repair can be blamed for, empty when it did not."""
    if before == after:
        return ""
    kind, _, name = thing.partition(" ")
    if kind == "unit":
        return _unit(name, words(before or ""), words(after or ""))
    if kind == "file":
        return _file(before, after)
    if kind == "mount":
        return _mount(before, after)
    if kind == "link":
        return _link(words(before or ""), words(after or ""))
    if kind == "listener" and after is None and not any(pattern.startswith(("unit ", "process")) for pattern in excused):
        return "nothing listens there any more"
    return ""


def _unit(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if any(fnmatchcase(name, pattern) for pattern in _NOBODYS):
        return ""
    if before.get("load") != after.get("load") and "masked" in {before.get("load"), after.get("load")} and after:
        return "was masked" if after.get("load") == "masked" else "is not masked any more"
    if before.get("active") != "active" or before.get("wanted") != "yes":
        return ""
    if after.get("active") == "failed":
        return "failed"
    if after.get("active", "inactive") == "inactive":
        return "was stopped"
    restarted = after.get("active") == "active" and before.get("invocation") != after.get("invocation")
    # systemd counts the restarts it makes by itself and begins anew when somebody else starts a unit; "?" is not known.
    return "was restarted" if restarted and after.get("restarts") == "0" else ""


def _file(before: str | None, after: str | None) -> str:
    if before is None:
        return "was made"
    return "was removed" if after is None else "was changed"


def _link(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if before.get("up") == "yes" and after.get("up") == "no":
        return "was set down"
    return "has another MTU" if before and after and before.get("mtu") != after.get("mtu") else ""


def _mount(before: str | None, after: str | None) -> str:
    if before is None:
        return ""
    if after is None:
        return "" if "autofs" in before else "is not mounted any more"
    was, now = words(before), words(after)
    return "can be written now" if (was.get("access"), now.get("access")) == ("ro", "rw") else ""
