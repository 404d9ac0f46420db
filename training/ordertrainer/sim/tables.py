"""The catalogue as tensors: what each fault does and each repair is for. Values only; imports torch.

Axes: K fault, the row after the last one being "no fault"; R repair; E slot; F entity signal; H host signal; C comparison,
G group of alternatives; D one place for each cure that a fault has; W way of `courses`, X column of those, K there: knot.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, NamedTuple, Self

import torch
from torch import Tensor

from orderd.domain.faults import EntityKind
from ordertrainer.sim.fitted import KNOT_Z, KNOT_Z_MAX, KNOTS
from ordertrainer.sim.layout import Layout

SMALL_MAX: Final = 126
"""Slots and repairs are kept as int8, which is what a processor compares fastest."""


def some(flags: Tensor) -> Tensor:
    """Return [...] bool from [X, ...] bool: any of them. Four times as fast as ``any``."""
    return flags.view(torch.uint8).amax(0).view(torch.bool)


def total(flags: Tensor) -> Tensor:
    """Return [...] uint8 from [X, ...] bool: how many of them."""
    return flags.view(torch.uint8).sum(0, dtype=torch.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """A bundle of tensors that travels between devices as one.

    Attributes:
        HOSTS: axis of hosts, 0 for the first and -1 for the last: what is stepped has them last, so that steps are contiguous.
    """

    HOSTS: ClassVar[int] = 0

    def put_(self, where: Tensor, others: Self) -> None:
        """Overwrite hosts in place: a reset of a few does not copy all.

        Args:
            where: [n] int64 places.
            others: n hosts.
        """
        for name in (f.name for f in fields(self)):
            mine, theirs = getattr(self, name), getattr(others, name)
            if isinstance(mine, Tensors):
                mine.put_(where, theirs)
            elif isinstance(mine, Tensor):
                mine.index_copy_(self.HOSTS % mine.ndim, where, theirs)

    def to(self, device: torch.device | str) -> Self:
        """Return it on a device."""
        return replace(self, **{f.name: _moved(getattr(self, f.name), device) for f in fields(self)})


def _moved(value: Any, device: torch.device | str) -> Any:
    return value.to(device) if isinstance(value, Tensor | Tensors) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults(Tensors):
    """Faults and decoys.

    Attributes:
        kind: [K+1] int64 kind index of what it happens to, -1 for no fault.
        failure: [K+1] int64, index into ``tuple(Failure)``.
        sick: [K+1] bool, something is wrong: neither a decoy nor nothing.
        decoy: [K+1] bool.
        held: [K+1] bool, orderd was told beforehand and keeps its hands off.
        visible: [K+1] bool, some signal shows it.
        starts: [K+1] bool, it is a process of its own making.
        serves_names: [K+1] bool, it happens to the host's own name server.
        needs: [K+1, Share] bool, what its host or unit must be able to measure; see `ordertrainer.sim.healthy`.
        downs: [K+1] bool, the unit does not run meanwhile.
        breaks_after_s: [K+1] what rests on its entity is broken from then on; UNBOUNDED: never.
        breaks_latency_s: [K+1] how long probes of that take.
        lasts_s: [K+1, 2] how long it lasts at intensity 0 and 1; UNBOUNDED: until somebody ends it.
        cures: [K+1, R+1] bool.
        cure_count: [K+1] int64.
        cure: [K+1, D] int64, its cures from the least to the most dangerous, R where there are no more.
    """

    kind: Tensor
    failure: Tensor
    sick: Tensor
    decoy: Tensor
    held: Tensor
    visible: Tensor
    starts: Tensor
    serves_names: Tensor
    needs: Tensor
    downs: Tensor
    breaks_after_s: Tensor
    breaks_latency_s: Tensor
    lasts_s: Tensor
    cures: Tensor
    cure_count: Tensor
    cure: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks(Tensors):
    """How signals of one row move; see `ordertrainer.sim.effects` for the formula.

    Attributes:
        moved: [K+1, X] bool, the fault says something of the signal.
        numbers: [K+1, 9, X] float32: level, its change with intensity, rate, its change, most, its change, own, least delay,
            and how much more it can be.
        cyclic: [K+1, X] float32, 1 where age begins anew over and over.
    """

    moved: Tensor
    numbers: Tensor
    cyclic: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions(Tensors):
    """A condition for each repair, all compiled into comparisons with two bounds.

    Attributes:
        column: [C] int64 entity signal.
        low, high: [C] it holds between them, both included.
        missing: [C] bool, it holds where the signal is missing.
        alternatives: [C, G] float32, 1 where a comparison is one of the alternatives of a group.
        needed: [G, R] float32, 1 where a repair needs a group.
    """

    column: Tensor
    low: Tensor
    high: Tensor
    missing: Tensor
    alternatives: Tensor
    needed: Tensor

    def hold(self, rows: Tensor) -> Tensor:
        """Return [..., R] bool for [..., F] signals: the repairs whose condition holds."""
        values = rows[..., self.column]
        holds = ((values >= self.low) & (values <= self.high)) | (torch.isnan(values) & self.missing)
        unmet = (holds.to(torch.float32) @ self.alternatives) < 0.5  # noqa: PLR2004  counts: 0, 1, 2 and so on
        return (unmet.to(torch.float32) @ self.needed) < 0.5  # noqa: PLR2004  as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs(Tensors):
    """Repairs; tables indexed by a repair have a last row for "none".

    Attributes:
        kind: [R+1] int64 kind index of its target, -1 for none.
        failures: [R, Failure] bool: failure classes it is for, by index into ``tuple(Failure)``.
        rung: [R+1] int64.
        risk: [R+1] float32, place of its risk in ``tuple(Risk)``; 0: none.
        host_wide: [R+1] bool, it reaches beyond its target.
        kills: [R+1] bool, it stops the process it is used on.
        looks: [R+1] bool, it asks the host whether its cause is there, and else changes nothing.
        run_s: [R+1] whole seconds that it takes.
        hold_s, within_s: [R+1] whole seconds of verification when it helped, and when it did not.
        preconditions: what must hold on the newest sample.
        healthy: what its target shows when it helped.
        absent_is_healthy: [R] bool.
    """

    kind: Tensor
    failures: Tensor
    rung: Tensor
    risk: Tensor
    host_wide: Tensor
    kills: Tensor
    looks: Tensor
    run_s: Tensor
    hold_s: Tensor
    within_s: Tensor
    preconditions: Conditions
    healthy: Conditions
    absent_is_healthy: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions(Tensors):
    """What each action means: first every repair on every slot, then WAIT, STOP and ESCALATE, which mean no repair on slot 0.

    Attributes:
        slot: [actions] int8.
        repair: [actions] int8, R for none.
        fits: [actions] bool, the slot is of the kind that the repair takes.
    """

    slot: Tensor
    repair: Tensor
    fits: Tensor


class Part(NamedTuple):
    """The numbers of some columns for some hosts, in shapes that broadcast; ``row`` is int64 way times X plus column."""

    row: Tensor
    own: Tensor
    slow: Tensor
    fast: Tensor
    slow_s: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses(Tensors):
    """Every column's numbers.

    Attributes:
        values: [W * X, K] knots.
        own, slow, fast: [W * X] weights of the parts of z; their squares add up to 1.
        slow_s: [W * X] correlation time.
        missing: [W * X] share that cannot measure it.
        share: [X] int64, what it is missing with: place in ``tuple(Share)``.
        whole: [X] bool, it is counted: there is nothing between two whole numbers.
    """

    values: Tensor
    own: Tensor
    slow: Tensor
    fast: Tensor
    slow_s: Tensor
    missing: Tensor
    share: Tensor
    whole: Tensor

    @property
    def width(self) -> int:
        """Return X."""
        return len(self.share)

    def part(self, way: Tensor, column: Tensor | int) -> Part:
        """Return numbers of columns (int64) for hosts of some ways (int64), which broadcast."""
        row = way * self.width + column
        return Part(row, *(getattr(self, name)[row] for name in ("own", "slow", "fast", "slow_s")))

    def at(self, row: Tensor, z: Tensor) -> Tensor:
        """Return the values of rows (int64) at some z."""
        place = (z.clamp(-KNOT_Z_MAX, KNOT_Z_MAX) + KNOT_Z_MAX) * (1.0 / KNOT_Z)
        knot = place.to(torch.int64).clamp_(max=KNOTS - 2)
        flat = row * KNOTS + knot
        knots = self.values.view(-1)
        below = knots[flat]
        value = below + (knots[flat + 1] - below) * (place - knot)
        return torch.where(self.whole[row % self.width], value.round(), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled(Tensors):
    """The whole catalogue, ready to simulate.

    Attributes:
        layout: slots of a host.
        fault_names, repair_names: folder names, in row order.
        slot_kind: [E] int64 kind index.
        carried: [E, F] bool, the signals that what is in a slot can have.
        faults, repairs, moves: tables of faults, repairs and actions.
        own: how the entity's signals move.
        host: what is added to the host's signals.
        hosts, entities: what hosts and entities in order measure.
        recorded_share: share of hosts that measure what recorded ones do.
        moving: kinds and columns that do not stay what they were at the beginning.
    """

    layout: Layout
    fault_names: tuple[str, ...]
    repair_names: tuple[str, ...]
    slot_kind: Tensor
    carried: Tensor
    faults: Faults
    repairs: Repairs
    moves: Actions
    own: Looks
    host: Looks
    hosts: Courses
    entities: Courses
    recorded_share: float
    moving: frozenset[tuple[EntityKind, int]]

    @property
    def no_fault(self) -> int:
        """Return K, the row of "no fault"."""
        return len(self.fault_names)

    @property
    def no_repair(self) -> int:
        """Return R, the row of "none"."""
        return len(self.repair_names)

    @property
    def wait(self) -> int:
        """Return the action that does nothing; those before it are ``slot * R + repair``."""
        return self.layout.slots * len(self.repair_names)

    @property
    def stop(self) -> int:
        """Return the action that says: all is in order here."""
        return self.wait + 1

    @property
    def escalate(self) -> int:
        """Return the action that calls a person."""
        return self.wait + 2

    @property
    def actions(self) -> int:
        """Return how many actions there are."""
        return self.wait + 3

    def action(self, slot: int, repair: str) -> int:
        """Return the action that uses a repair on a slot."""
        return slot * len(self.repair_names) + self.repair_names.index(repair)
