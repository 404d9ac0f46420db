"""Trees, and the rules along their branches. Pure; scikit-learn.

Of each kind of entity one tree tells all answers apart, and one for each answer tells it from the rest: the first finds what is
different between neighbours, the others find the shortest way to one answer. A threshold of scikit-learn is the middle between
two values that were seen; here it becomes the roundest number between them, which divides the same entities.

Axes: n entity, Q fact.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from orderd.domain.repairs import Op
from ordertrainer.rules.facts import Facts
from ordertrainer.rules.rule import IN_ORDER, Clause, Rule
from ordertrainer.rules.words import threshold

LEAVES: Final = 40
LEAVES_OF_ONE: Final = 8
LEAST: Final = 6
"""Entities that a branch must have been seen with."""
_LEAF: Final = -1


def grow(facts: Facts, said: NDArray[np.int64], seed: int) -> list[Rule]:
    """Return a rule for each branch that ends in an answer; most of them are too long, and many say the same.

    Args:
        facts: entities of one kind.
        said: [n] what the teacher says of each.
        seed: of ties.
    """
    present = [int(answer) for answer in np.unique(said) if answer != IN_ORDER]
    if not present:
        return []
    rules = list(_rules(facts, said, _fitted(facts, said, LEAVES, seed)))
    for answer in present:
        one = np.where(said == answer, answer, IN_ORDER)
        rules += _rules(facts, one, _fitted(facts, one, LEAVES_OF_ONE, seed))
    return rules


def _fitted(facts: Facts, said: NDArray[np.int64], leaves: int, seed: int) -> Any:
    tree = DecisionTreeClassifier(criterion="entropy", max_leaf_nodes=leaves, min_samples_leaf=LEAST, random_state=seed)
    return tree.fit(facts.values, said).tree_


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A node, the entities that come to it, and what they have in common."""

    node: int
    where: NDArray[np.int64]
    clauses: tuple[Clause, ...]


def _rules(facts: Facts, said: NDArray[np.int64], tree: Any) -> Iterator[Rule]:
    open_places = [_Place(node=0, where=np.arange(len(facts)), clauses=())]
    while open_places:
        place = open_places.pop()
        if not len(place.where):
            continue  # a threshold that nobody could have read was rounded past all that came here
        if tree.children_left[place.node] != _LEAF:
            open_places += _children(facts, tree, place)
            continue
        answers, counts = np.unique(said[place.where], return_counts=True)
        answer = int(answers[counts.argmax()])
        if answer != IN_ORDER:
            yield Rule(kind=facts.kind, clauses=tightest(place.clauses), answer=answer)


def _children(facts: Facts, tree: Any, place: _Place) -> Iterator[_Place]:
    signal = facts.names[tree.feature[place.node]]
    left = bool(tree.missing_go_to_left[place.node])
    values = facts.of(signal)[place.where]
    value = _rounded(signal, values, float(tree.threshold[place.node]))
    below = Clause(signal=signal, op=Op.LT, value=value, missing_holds=left)
    above = Clause(signal=signal, op=Op.GE, value=value, missing_holds=not left)
    goes_left = below.hold(facts)[place.where]
    for node, clause, mine in (
        (tree.children_left[place.node], below, goes_left),
        (tree.children_right[place.node], above, ~goes_left),
    ):
        yield _Place(node=int(node), where=place.where[mine], clauses=(*place.clauses, clause))


def _rounded(signal: str, values: NDArray[np.float32], middle: float) -> float:
    """Return the roundest threshold that divides the values as the tree did; infinite where it only asks for a measurement."""
    known = values[~np.isnan(values)]
    lower = known.astype(np.float64) <= middle  # scikit-learn keeps thresholds in double precision
    below, above = known[lower], known[~lower]
    if math.isinf(middle) or not len(below) or not len(above):
        return math.inf
    return threshold(signal, _decimal(below.max()), _decimal(above.min()))


def _decimal(value: np.float32) -> float:
    """Return the shortest decimal number that is this value in single precision: 0.95, not 0.949999988."""
    return float(str(value))


def tightest(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    """Return one comparison for each signal and direction: the one that implies the others, in the order of the branch."""
    found: dict[tuple[str, Op], Clause] = {}
    for clause in clauses:
        key = (clause.signal, clause.op)
        if (before := found.get(key)) is None:
            found[key] = clause
            continue
        value = min(before.value, clause.value) if clause.op is Op.LT else max(before.value, clause.value)
        found[key] = Clause(
            signal=clause.signal, op=clause.op, value=value, missing_holds=before.missing_holds and clause.missing_holds
        )
    return tuple(found.values())
