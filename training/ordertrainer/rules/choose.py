"""Shorter rules, and the few of them that say most. Pure; numpy.

A branch of a tree is shortened as in C4.5rules: a comparison goes when the rule without it is, by a pessimistic count, no worse.
What is counted are incidents: twenty seconds of one of them are one thing that happened.
Then rules are chosen one after another, each for what it adds to the list so far on incidents that no tree has seen, until
nothing is gained or the list is as long as somebody wants to read. What an answer that is seldom gives gains counts for more, by
the root of how often it is given; no gain makes up for a rule that is often wrong.

Axes: n entity.

References:
    Quinlan 1993, C4.5: Programs for Machine Learning, chapter 5.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Op
from ordertrainer.rules.facts import Facts
from ordertrainer.rules.grow import grow, tightest
from ordertrainer.rules.rule import IN_ORDER, Clause, Rule
from ordertrainer.rules.words import FLAG_AT, FLAGS

AGREES_MIN: Final = 0.8
"""A rule says what the teacher says at least so often, where it decides."""
INCIDENTS_MIN: Final = 3
"""What was seen less often is no rule."""
GAIN_MIN: Final = 3
"""Entities that a rule must put right on the whole; each comparison costs one, because somebody has to read it."""

Said = Mapping[EntityKind, NDArray[np.int64]]
Known = Mapping[EntityKind, Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long a list may be.

    Attributes:
        rules: at most.
        agrees_min: see AGREES_MIN.
    """

    rules: int = 40
    agrees_min: float = AGREES_MIN


def distilled(known: Known, said: Said, *, seed: int, budget: Budget) -> list[Rule]:
    """Make a list from what a teacher says of some entities.

    Args:
        known: facts by kind.
        said: answers by kind.
        seed: of the part that trees see, and of ties.
        budget: how long it may be.

    Returns:
        Rules in the order in which they apply, kinds one after another.
    """
    seen = seen_by_trees(known, said, seed)
    candidates: list[Rule] = []
    left: dict[EntityKind, Facts] = {}
    answers: dict[EntityKind, NDArray[np.int64]] = {}
    for kind, facts in known.items():
        mine = seen[kind]
        shown, told = facts.take(mine), said[kind][mine]
        grown = list(dict.fromkeys(grow(shown, told, seed)))
        both = dict.fromkeys(chain.from_iterable((shortened(rule, shown, told), rule) for rule in grown))
        candidates += (rule for rule in both if _incidents(shown, rule.hold(shown) & (told == rule.answer)) >= INCIDENTS_MIN)
        left[kind], answers[kind] = facts.take(~mine), said[kind][~mine]
    kinds = list(known)
    return sorted(chosen_from(candidates, left, answers, budget), key=lambda rule: kinds.index(rule.kind))


def seen_by_trees(known: Known, said: Said, seed: int) -> Mapping[EntityKind, NDArray[np.bool_]]:
    """Return [n] bool by kind: two whole incidents in three are for growing, of each answer too, the seldom ones first."""
    count = 1 + max(int(facts.incident.max()) for facts in known.values())
    given = np.zeros((count, 1 + max(int(answers.max()) for answers in said.values())), np.bool_)
    for kind, facts in known.items():
        given[facts.incident, said[kind]] = True
    often = np.where(given, given.sum(0), count + 1)
    order = np.lexsort((np.random.default_rng(seed).permutation(count), often.argmin(1)))
    grows = np.empty(count, np.bool_)
    grows[order] = np.arange(count) % 3 != 0
    return {kind: grows[facts.incident] for kind, facts in known.items()}


def shortened(rule: Rule, facts: Facts, said: NDArray[np.int64]) -> Rule:
    """Return a rule without the comparisons that it does not need, and with plainer ones where they say the same.

    Args:
        rule: of a branch.
        facts: entities that trees saw.
        said: [n] answers.
    """
    right = said == rule.answer
    holds = {clause: clause.hold(facts) for clause in rule.clauses}

    def doubt(some: Iterable[Clause]) -> float:
        """Return a pessimistic share of incidents with an error: as if one right and one wrong had been seen besides."""
        where = np.logical_and.reduce([holds[clause] for clause in some])
        return (_incidents(facts, where & ~right) + 1) / (_incidents(facts, where) + 2)

    clauses, least = rule.clauses, doubt(rule.clauses)
    while len(clauses) > 1:
        shorter = [tuple(clause for clause in clauses if clause is not dropped) for dropped in clauses]
        doubts = [doubt(each) for each in shorter]
        if min(doubts) > least:
            break
        least = min(doubts)
        clauses = shorter[doubts.index(least)]
    for clause in clauses:
        for plainer in _plainer(clause, facts):
            holds[plainer] = plainer.hold(facts)
            plain = tuple(plainer if each is clause else each for each in clauses)
            if doubt(plain) <= least:
                clauses = plain
                break
    return replace(rule, clauses=tightest(clauses))


def _plainer(clause: Clause, facts: Facts) -> Iterator[Clause]:
    """Yield what might be said instead: the comparison without "or not measured", or a flag where it asks for a measurement."""
    if not math.isinf(clause.value):
        if clause.missing_holds:
            yield replace(clause, missing_holds=False)
        return
    for signal in facts.names:
        if signal in FLAGS:
            yield from (Clause(signal=signal, op=op, value=FLAG_AT) for op in (Op.LT, Op.GE))


def _incidents(facts: Facts, where: NDArray[np.bool_]) -> int:
    """Return how many incidents some entities are of: [n] bool."""
    return int(np.count_nonzero(np.bincount(facts.incident[where])))


def chosen_from(candidates: Sequence[Rule], known: Known, said: Said, budget: Budget) -> list[Rule]:
    """Return the best rules in order. Each in turn is put where it gains most: before all others, or behind them.

    Args:
        candidates: to choose from.
        known: facts of incidents that the candidates were not made from.
        said: answers.
        budget: how many, and how good.
    """
    often = _how_often(said)
    holds = [rule.hold(known[rule.kind]) for rule in candidates]
    rights = [np.where(said[rule.kind] == rule.answer, 1, -1) for rule in candidates]
    # What the list so far does with each entity: 1 right, -1 wrong, 0 leaves it.
    now = {kind: np.zeros(len(facts), np.int64) for kind, facts in known.items()}
    chosen: deque[Rule] = deque()
    for _ in range(budget.rules):
        best, found = 0.0, None
        for number, rule in enumerate(candidates):
            before = now[rule.kind]
            for place, mine in ((chosen.appendleft, holds[number]), (chosen.append, holds[number] & (before == 0))):
                right = rights[number][mine]
                gain = int(right.sum() - before[mine].sum()) - len(rule.clauses)
                worth = gain / math.sqrt(often.get(rule.answer, 1))
                if gain >= GAIN_MIN and worth > best and (right > 0).mean() >= budget.agrees_min:
                    best, found = worth, (number, mine, place)
        if found is None:
            break
        number, mine, place = found
        place(candidates[number])
        now[candidates[number].kind][mine] = rights[number][mine]
    return list(chosen)


def _how_often(said: Said) -> Mapping[int, int]:
    answers, counts = np.unique(np.concatenate(list(said.values())), return_counts=True)
    return {int(a): int(c) for a, c in zip(answers, counts, strict=True) if a != IN_ORDER}
