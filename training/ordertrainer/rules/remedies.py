"""What follows from a conclusion: the repair that orderd would try first, or a person. Pure.

A diagnosis does not name a repair; contracts do, by failure and rung, where their preconditions hold. What holds is asked of
entities for which the rule decides, and the repair that most of them would get is named.

Axes: n entity.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orderd.domain.repairs import Repair
from ordertrainer.rules.facts import Facts
from ordertrainer.rules.rule import PERSON, Rule

ASKED: Final = 200
"""Entities that are asked at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A rule as people read it.

    Attributes:
        rule: itself.
        answer: what it says, a failure, a repair or a person.
        repair: what is tried first then; empty where a person is called.
        support: entities of the fit for which it decides.
        judged: entities of incidents that the fit did not see for which it decides.
        agrees: share of those of which the teacher says the same; NaN where there is none.
    """

    rule: Rule
    answer: str
    repair: str
    support: int
    judged: int
    agrees: float


def remedy(rule: Rule, answer: str, decided: Facts, repairs: Mapping[str, Repair]) -> str:
    """Return the repair that a conclusion leads to, empty where a person is called.

    Args:
        rule: that concludes.
        answer: what it says.
        decided: entities for which it decides.
        repairs: the catalogue.
    """
    if answer in repairs or answer == PERSON:
        return answer if answer in repairs else ""
    fitting = [repair for repair in repairs.values() if answer in repair.repairs and repair.target is rule.kind]
    fitting.sort(key=lambda repair: (repair.rung, repair.name))
    votes: Counter[str] = Counter()
    for number in range(min(len(decided), ASKED)):
        row = decided.row(number)
        votes[next((repair.name for repair in fitting if repair.preconditions.holds(row)), "")] += 1
    return votes.most_common(1)[0][0] if votes else ""
