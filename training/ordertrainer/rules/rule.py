"""A rule: comparisons that must all hold, and what follows. Pure; numpy.

Comparisons are those of contracts: signal, operator, value, and whether a missing signal satisfies it. An infinite value asks
only whether there is a measurement.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Op
from ordertrainer.rules.facts import Facts
from ordertrainer.rules.words import FLAG_AT, FLAGS, amount

IN_ORDER: Final = 0
"""Place of "nothing to be said" in every list of answers."""
PERSON: Final = "a person"
"""Who is called where no repair is right."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Clause:
    """One fact compared with a constant.

    Attributes:
        signal: an entity signal of the rule's kind, or a host signal.
        op: LT or GE.
        value: in the signal's unit; infinite: what counts is whether the signal was measured.
        missing_holds: a missing signal satisfies it.
    """

    signal: str
    op: Op
    value: float
    missing_holds: bool = False

    def hold(self, facts: Facts) -> NDArray[np.bool_]:
        """Return [n]: for which entities it holds."""
        values = facts.of(self.signal)
        missing = np.isnan(values)
        compared = values < self.value if self.op is Op.LT else values >= self.value
        return np.where(missing, self.missing_holds, compared)

    def __str__(self) -> str:
        """Return it as a person would say it."""
        if math.isinf(self.value):
            return f"{self.signal} is {'not ' if self.missing_holds else ''}measured"
        if self.signal in FLAGS and self.value == FLAG_AT:
            words = f"{self.signal} is {int(self.op is Op.GE)}"
        else:
            words = f"{self.signal} {'<' if self.op is Op.LT else '>='} {amount(self.signal, self.value)}"
        return f"{words} (or not measured)" if self.missing_holds else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an entity shows, and what it is called then.

    Attributes:
        kind: of the entity.
        clauses: all must hold.
        answer: place in the teacher's list of answers, never IN_ORDER.
    """

    kind: EntityKind
    clauses: tuple[Clause, ...]
    answer: int

    def hold(self, facts: Facts) -> NDArray[np.bool_]:
        """Return [n]: for which entities all of it holds."""
        if facts.kind is not self.kind:
            return np.zeros(len(facts), np.bool_)
        return np.logical_and.reduce([clause.hold(facts) for clause in self.clauses])


def decided(rules: Sequence[Rule], facts: Facts) -> NDArray[np.int64]:
    """Return [n]: which rule of an ordered list decides, the first that holds; -1 where none does."""
    first = np.full(len(facts), -1, np.int64)
    for number, rule in enumerate(rules):
        first[(first < 0) & rule.hold(facts)] = number
    return first


def answers(rules: Sequence[Rule], facts: Facts) -> NDArray[np.int64]:
    """Return [n]: what an ordered list says, IN_ORDER where no rule holds."""
    said = np.array([*(rule.answer for rule in rules), IN_ORDER], np.int64)
    return said[decided(rules, facts)]


def when(clauses: Iterable[Clause]) -> str:
    """Return comparisons as one sentence."""
    return " and ".join(str(clause) for clause in clauses)


def as_json(clauses: Iterable[Clause]) -> list[Mapping[str, Any]]:
    """Return comparisons as contracts write them; an infinite value, which JSON has not, is null."""
    return [
        {
            "signal": clause.signal,
            "op": str(clause.op),
            "value": None if math.isinf(clause.value) else clause.value,
            "missing_holds": clause.missing_holds,
        }
        for clause in clauses
    ]
