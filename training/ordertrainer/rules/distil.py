"""From a teacher to a list of rules and what it is worth. Pure but for what the teacher runs; numpy.

Axes: N example, E entity, n entity of one kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Repair
from ordertrainer.dataset import Examples
from ordertrainer.rules.choose import Budget, Known, distilled
from ordertrainer.rules.facts import Facts, facts_of
from ordertrainer.rules.fidelity import Compared, fidelity
from ordertrainer.rules.remedies import Listed, remedy
from ordertrainer.rules.rule import Rule, answers, decided
from ordertrainer.rules.teachers import OrderdsRules, Teacher

LIST: Final = "this list"

Tick = Callable[[str, float], None]
Said = Mapping[EntityKind, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """A list of rules, and what it is worth.

    Attributes:
        teacher: who was imitated.
        rules: in the order in which they apply.
        fidelity: by set of examples and by who is held against the teacher, LIST and orderd's rules.
    """

    teacher: str
    rules: tuple[Listed, ...]
    fidelity: Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Examples with what the teacher says of them, by kind."""

    known: Known
    taught: Said


def distil(
    teacher: Teacher,
    repairs: Mapping[str, Repair],
    fit: Examples,
    sets: Mapping[str, Examples],
    *,
    seed: int,
    budget: Budget,
    tick: Tick = lambda _what, _share: None,
) -> Distilled:
    """Make a list from what a teacher says of some windows, and hold it against what it says of others.

    Args:
        teacher: who is imitated.
        repairs: the catalogue.
        fit: windows to make the list from.
        sets: windows of other incidents, by name; rules are told how they fare on the first.
        seed: of splits, ties and the bootstrap.
        budget: how long the list may be.
        tick: told what is done and the share of it.

    Raises:
        ValueError: the teacher names nothing in any window of the fit.
    """
    asked = _ask(teacher, fit, lambda share: tick(f"{teacher.name}: fit", share))
    if not any(told.any() for told in asked.taught.values()):
        raise ValueError(f"{teacher.name} names nothing in {len(fit)} windows: there is nothing to tell of it; ask about more")
    tick("choosing rules", 0.0)
    rules = distilled(asked.known, asked.taught, seed=seed, budget=budget)
    judged = {name: _ask(teacher, some, lambda share, n=name: tick(f"{teacher.name}: {n}", share)) for name, some in sets.items()}
    floor = OrderdsRules(teacher.says, repairs)
    found: dict[str, dict[str, Any]] = {}
    for name, some in sets.items():
        ruled = floor.ask(some, lambda share, n=name: tick(f"{floor.name}: {n}", share))
        mine, theirs = judged[name], _by_kind(judged[name].known, ruled)
        listed = {kind: answers(_of_kind(rules, kind), facts) for kind, facts in mine.known.items()}
        found[name] = {
            who: fidelity(_compared(mine, said), teacher.says, seed) for who, said in ((LIST, listed), (floor.name, theirs))
        }
    unseen = next(iter(judged.values()))
    listed_rules = tuple(
        _listed(rules, number, says=teacher.says, repairs=repairs, fit=asked, unseen=unseen) for number in range(len(rules))
    )
    return Distilled(teacher=teacher.name, rules=listed_rules, fidelity=found)


def _ask(teacher: Teacher, examples: Examples, tick: Callable[[float], None]) -> _Asked:
    known = facts_of(examples)
    return _Asked(known=known, taught=_by_kind(known, teacher.ask(examples, tick)))


def _by_kind(known: Known, said: NDArray[np.int64]) -> Said:
    return {kind: said[facts.example, facts.entity] for kind, facts in known.items()}


def _of_kind(rules: Sequence[Rule], kind: EntityKind) -> list[Rule]:
    return [rule for rule in rules if rule.kind is kind]


def _compared(asked: _Asked, said: Said) -> Compared:
    kinds = list(asked.known)
    return Compared(
        incident=np.concatenate([asked.known[kind].incident for kind in kinds]),
        taught=np.concatenate([asked.taught[kind] for kind in kinds]),
        said=np.concatenate([said[kind] for kind in kinds]),
    )


def _listed(
    rules: Sequence[Rule], number: int, *, says: Sequence[str], repairs: Mapping[str, Repair], fit: _Asked, unseen: _Asked
) -> Listed:
    rule, answer = rules[number], says[rules[number].answer]
    mine, _ = _where(rules, number, fit)
    judged, right = _where(rules, number, unseen)
    return Listed(
        rule=rule,
        answer=answer,
        repair=remedy(rule, answer, mine, repairs) if len(mine) else "",
        support=len(mine),
        judged=len(judged),
        agrees=float(right.mean()) if len(right) else float("nan"),
    )


def _where(rules: Sequence[Rule], number: int, asked: _Asked) -> tuple[Facts, NDArray[np.bool_]]:
    """Return the entities for which one rule decides, and of which of them the teacher says the same."""
    rule = rules[number]
    facts = asked.known[rule.kind]
    mine = decided(rules, facts) == number
    return facts.take(mine), asked.taught[rule.kind][mine] == rule.answer
