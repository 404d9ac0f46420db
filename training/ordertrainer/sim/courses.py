"""How what is measured in order runs through time: one formula for every signal. Pure; imports torch.

    z(t) = own * (what is the entity's) + noise * (slow * (what wanders) + fast * (what is new each second))
    value(t) = the knots at z(t)

All three parts have mean 0 and variance 1, and follow from where and when they are asked for (`noise`). There are two ways to
have them, and each host has one: the wide ranges of `healthy`, from which no two hosts are alike, and what was recorded
(`fitted`). So hosts that were recorded are enclosed, and nobody learns them by heart.

References:
    Values that are tied together in time by a normal distribution, whatever theirs is: Cario and Nelson, "Autoregressive to
    anything", Operations Research Letters 19 (1996).
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import torch
from torch import Tensor

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.sim.fitted import HOST as OF_HOST
from ordertrainer.sim.fitted import KNOT_Z, KNOT_Z_MAX, KNOTS, Course, Fitted
from ordertrainer.sim.healthy import EITHER, ENTITY, HOST, MISSING, PROBED_KINDS, WAVE, WAVE_S, WAVY, Healthy, Share
from ordertrainer.sim.noise import hashed, mix, normal, odd
from ordertrainer.sim.tables import Courses, Part

SLOW_PLACE: Final = 1 << 18
"""Where hashes of what wanders are taken from."""
RANKS: Final = tuple(NormalDist().cdf(KNOT_Z * knot - KNOT_Z_MAX) for knot in range(KNOTS))
"""Share of values that lie below each knot."""
_LEAST: Final = 1e-9
_SHARES: Final = tuple(Share)


class _Row(NamedTuple):
    """One column, one way."""

    values: Sequence[float]
    own: float
    slow: float
    fast: float
    slow_s: float
    missing: float


def of_hosts(fitted: Fitted | None) -> Courses:
    """Return the courses of host signals, X = H."""
    told = fitted.healthy.get(OF_HOST, {}) if fitted else {}
    names = [signal.name for signal in HOST_SIGNALS]
    return _table(names, [_wide(HOST[name], name) for name in names], [told.get(name) for name in names], HOST)


def of_entities(fitted: Fitted | None) -> Courses:
    """Return the courses of entity signals by kind, X = kinds * F."""
    told = fitted.healthy if fitted else {}
    pairs = [(kind, signal.name) for kind in KINDS for signal in ENTITY_SIGNALS]
    wide = [_wide(ENTITY[name], name, kind) for kind, name in pairs]
    return _table([name for _, name in pairs], wide, [told.get(kind, {}).get(name) for kind, name in pairs], ENTITY)


def moving(entities: Courses) -> frozenset[tuple[EntityKind, int]]:
    """Return kinds and columns of entity signals that do not stay what they were at the beginning."""
    moves = ((entities.slow > 0.0) | (entities.fast > 0.0)).view(-1, len(KINDS), len(ENTITY_SIGNALS)).any(0)
    return frozenset((KINDS[kind], column) for kind, column in moves.nonzero().tolist())


def _table(names: Sequence[str], wide: list[_Row], told: Sequence[Course | None], table: Mapping[str, Healthy]) -> Courses:
    rows = wide + [row if course is None else _recorded(course) for row, course in zip(wide, told, strict=True)]
    return Courses(
        values=torch.tensor([row.values for row in rows]),
        own=torch.tensor([row.own for row in rows]),
        slow=torch.tensor([row.slow for row in rows]),
        fast=torch.tensor([row.fast for row in rows]),
        slow_s=torch.tensor([row.slow_s for row in rows]),
        missing=torch.tensor([row.missing for row in rows]),
        share=torch.tensor([_SHARES.index(table[name].share) for name in names]),
        whole=torch.tensor([name.endswith("_count") or name in EITHER for name in names]),
    )


def _wide(healthy: Healthy, name: str, kind: EntityKind | None = None) -> _Row:
    """Return a range as a course: an entity's own place in it, and noise beside that."""
    low, high = healthy.low, healthy.high
    if healthy.spread:
        low, high = math.log(max(low, _LEAST)), math.log(max(high, _LEAST))
    values = [low + (high - low) * rank for rank in RANKS]
    size = 1.0 if healthy.spread else math.sqrt((low * low + low * high + high * high) / 3.0)
    own, slow, fast = (high - low) / math.sqrt(12.0), WAVE * size * (name in WAVY), healthy.noise * size
    whole = math.hypot(own, slow, fast)
    return _Row(
        values=[math.exp(value) for value in values] if healthy.spread else values,
        own=own / whole if whole else 1.0,
        slow=slow / whole if whole else 0.0,
        fast=fast / whole if whole else 0.0,
        slow_s=WAVE_S,
        missing=MISSING[healthy.share] if healthy.share is not Share.PROBE or kind in PROBED_KINDS else 0.0,
    )


def _recorded(course: Course) -> _Row:
    return _Row(
        values=course.values,
        own=math.sqrt(course.between),
        slow=math.sqrt(course.slow),
        fast=math.sqrt(max(0.0, 1.0 - course.between - course.slow)),
        slow_s=course.slow_s,
        missing=course.missing,
    )


def own(seed: Tensor, place: Tensor | int, column: Tensor | int) -> Tensor:
    """Return what is an entity's own of a column: normal numbers, in the shape of what broadcasts."""
    return normal(mix(hashed(seed, place) ^ odd(column)))


def deviation(part: Part, seed: Tensor, place: Tensor | int, *, at_s: Tensor, column: Tensor | int) -> Tensor:
    """Return how far z is from what is the entity's own at some seconds, for a host of noise 1.

    Args:
        part: numbers of the columns.
        seed: int32 of hosts.
        place: int32 of entities.
        at_s: whole seconds.
        column: number that tells columns of one entity apart, or [C] int32.
    """
    fast = normal(hashed(seed, place, at_s.to(torch.int32)) * odd(column))
    knots = at_s / part.slow_s
    knot = torch.floor(knots)
    between, step = knots - knot, knot.to(torch.int32)
    before, after = (normal(hashed(seed, place + SLOW_PLACE, each) * odd(column)) for each in (step, step + 1))
    rest = 1.0 - between
    slow = (before * rest + after * between) / torch.sqrt(rest * rest + between * between)
    return part.slow * slow + part.fast * fast
