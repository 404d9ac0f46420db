"""What a network sees of a repair: its contract as numbers. Pure; imports torch.

A repair has no number of its own. Two repairs with the same contract are the same to a network, and one that no training saw is
ranked by what its contract says: which failures it is for, on what, when it may be tried, what it touches and how it is judged.
Its name and its summary are for people and stay out.

Axes: R repair, C contract column.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from orderd.domain.faults import KINDS, Failure
from orderd.domain.repairs import BlastRadius, Condition, Op, Repair, Risk
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS

FAILURE_CLASSES: Final = tuple(Failure)
TOUCHES: Final = ("unit", "file", "mount", "link", "listener", "process", "config")
"""Kinds of things that a contract can name in ``touches``."""
RUNGS: Final = tuple(str(rung) for rung in range(10))
_RISKS: Final = tuple(Risk)
_AT_LEAST: Final = frozenset({Op.GT, Op.GE, Op.EQ})
_AT_MOST: Final = frozenset({Op.LT, Op.LE, Op.EQ})
_OF_A_SIGNAL: Final = 5
_PLAIN: Final = 7
_FLAGS: Final = sum(map(len, (FAILURE_CLASSES, KINDS, _RISKS, TOUCHES, RUNGS)))
CONTRACT_COLUMNS: Final = _FLAGS + _PLAIN + 2 * _OF_A_SIGNAL * len(ENTITY_SIGNALS)


def contract_rows(repairs: Sequence[Repair]) -> Tensor:
    """Return [R, C] float32; the first columns are the failure classes, so that ``repaired_failures`` finds them."""
    return torch.tensor([list(_columns(repair)) for repair in repairs], dtype=torch.float32).reshape(-1, CONTRACT_COLUMNS)


def repaired_failures(contracts: Tensor) -> Tensor:
    """Return [R, failure] of [R, C]: 1 for each failure class that a repair is for."""
    return contracts[:, : len(FAILURE_CLASSES)]


def only_known(contracts: Tensor, known: Tensor) -> Tensor:
    """Return [R, C] without what is said about signals that a network does not know.

    Args:
        contracts: [R, C].
        known: [F] float32, 1 for entity signals that it knows.
    """
    about = contracts[:, -2 * _OF_A_SIGNAL * len(known) :].unflatten(1, (2, len(known), _OF_A_SIGNAL))
    kept = (about * known[:, None]).flatten(1)
    return torch.cat((contracts[:, : -kept.shape[1]], kept), dim=-1)


def _columns(repair: Repair) -> Iterator[float]:
    touched = {touch.partition(" ")[0] for touch in repair.touches}
    yield from _flags(repair.repairs, FAILURE_CLASSES)
    yield from _flags((repair.target,), KINDS)
    yield from _flags((repair.risk,), _RISKS)
    yield from _flags(touched, TOUCHES)
    yield from _flags((str(repair.rung),), RUNGS)
    yield float(repair.blast_radius is BlastRadius.HOST)
    yield float(repair.idempotent)
    yield float(bool(repair.undo))
    yield float(repair.verify.absent_is_healthy)
    yield from (math.log10(1.0 + seconds) for seconds in (repair.deadline_s, repair.verify.hold_s, repair.verify.within_s))
    yield from _condition(repair.preconditions)
    yield from _condition(repair.verify.healthy)


def _flags(some: Iterable[str], names: Sequence[str]) -> Iterator[float]:
    some = frozenset(some)
    return (float(name in some) for name in names)


def _condition(condition: Condition) -> Iterator[float]:
    """Yield five numbers a signal: how far it must be at least and at most something, both bounds, and whether it may be missing.

    One of several alternatives counts for its share of them.
    """
    table = [[0.0] * _OF_A_SIGNAL for _ in ENTITY_SIGNALS]
    for alternatives in condition.all_of:
        for comparison in alternatives:
            row, share = table[ENTITY_INDEX[comparison.signal]], 1.0 / len(alternatives)
            for place, ops in ((0, _AT_LEAST), (1, _AT_MOST)):
                if comparison.op in ops:
                    row[place] += share
                    row[place + 2] = math.asinh(comparison.value)
            row[4] += share * comparison.missing_holds
    return (number for row in table for number in row)
