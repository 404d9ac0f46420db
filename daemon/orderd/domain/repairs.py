"""The contract of a repair: what it repairs, what must hold before, how its success is judged. Pure.

A contract is parsed from ``contract.yml`` at the boundary (room ``catalogue``) into these values or refused.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX


class Op(StrEnum):
    """Comparison operators allowed in contracts."""

    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    EQ = "eq"


class Risk(StrEnum):
    """The worst a repair can do when it was the wrong one."""

    NONE = "none"
    RESTARTS = "restarts"
    LOSES_CACHE = "loses-cache"
    STOPS_PROCESS = "stops-process"


class BlastRadius(StrEnum):
    """How far a repair reaches."""

    UNIT = "unit"
    HOST = "host"


_WILD: Final = re.compile(r"[*?\[]")
_COMPARE: Final[dict[Op, Callable[[float, float], bool]]] = {
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.EQ: operator.eq,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One signal of the target compared with a constant.

    Attributes:
        signal: one of ENTITY_SIGNALS.
        op: how to compare.
        value: what to compare with, in the signal's unit.
        missing_holds: a missing signal satisfies it (a service without a probe); otherwise a missing signal never does.
    """

    signal: str
    op: Op
    value: float
    missing_holds: bool = False

    def holds(self, values: tuple[float, ...]) -> bool:
        """Tell whether it holds for an entity's values (in ENTITY_SIGNALS order)."""
        seen = values[ENTITY_INDEX[self.signal]]
        return self.missing_holds if math.isnan(seen) else _COMPARE[self.op](seen, self.value)

    def __str__(self) -> str:
        """Return it as a person would read it."""
        return f"{self.signal} {self.op} {self.value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A conjunction of alternatives: every inner tuple needs at least one comparison that holds."""

    all_of: tuple[tuple[Comparison, ...], ...] = ()

    def holds(self, values: tuple[float, ...]) -> bool:
        """Tell whether the condition holds for an entity's values."""
        return all(any(c.holds(values) for c in alternatives) for alternatives in self.all_of)

    def unmet(self, values: tuple[float, ...]) -> str:
        """Name the first part that does not hold, empty when all hold."""
        for alternatives in self.all_of:
            if not any(c.holds(values) for c in alternatives):
                return " or ".join(str(c) for c in alternatives)
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """How success is judged: the target's signals, never the playbook's exit code.

    Attributes:
        healthy: what the target's signals must show.
        absent_is_healthy: the target being gone counts as healthy (a process that was to be stopped).
        hold_s: for how long without a break.
        within_s: by when the hold must have completed, counted from the end of the playbook.
    """

    healthy: Condition
    absent_is_healthy: bool
    hold_s: float
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One catalogued repair.

    Attributes:
        name: folder name under playbooks/repairs, ``[a-z][a-z0-9_]*``.
        summary: one sentence for people.
        repairs: failure classes it can repair.
        target: the entity kind it takes.
        rung: place on the escalation ladder of its failure classes, lower first.
        preconditions: must hold on the target's newest sample, else it is no candidate.
        touches: resources it may change, as patterns with ``{target}``; anything else that changes is collateral.
        risk: the worst it can do when wrong.
        deadline_s: its scope is killed then.
        cooldown_s: least time between two uses on one target.
        verify: how success is judged.
        undo: file name of the undo playbook, or empty.
        undo_none_why: why there is none; empty when there is one.
        idempotent: running it twice changes nothing the second time.
        blast_radius: how far it reaches.
    """

    name: str
    summary: str
    repairs: tuple[Failure, ...]
    target: EntityKind
    rung: int
    preconditions: Condition
    touches: tuple[str, ...]
    risk: Risk
    deadline_s: float
    cooldown_s: float
    verify: Verify
    undo: str
    undo_none_why: str
    idempotent: bool
    blast_radius: BlastRadius

    def touched(self, target: Entity) -> tuple[str, ...]:
        """Return its touches with the target's key in place of ``{target}``."""
        return tuple(touch.replace("{target}", target.key) for touch in self.touches)


def disjoint(one: Repair, one_target: Entity, other: Repair, other_target: Entity) -> bool:
    """Tell whether two repairs may run at the same time: they cannot touch the same thing, whatever the patterns match.

    Only repairs whose reach is their unit can be disjoint; a process outside the target may belong to anything.
    """
    if one_target == other_target or {one.blast_radius, other.blast_radius} != {BlastRadius.UNIT}:
        return False
    ours, theirs = one.touched(one_target), other.touched(other_target)
    return not any(_overlap(a, b) for a in ours for b in theirs)


def _overlap(one: str, other: str) -> bool:
    if "process" in {one, other}:
        return True
    if _WILD.search(one) and _WILD.search(other):
        # What two patterns have in common cannot be told; unless they begin differently, it may be anything.
        ours, theirs = _WILD.split(one)[0], _WILD.split(other)[0]
        return ours.startswith(theirs) or theirs.startswith(ours)
    return fnmatchcase(one, other) or fnmatchcase(other, one)
