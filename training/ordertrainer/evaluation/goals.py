"""The score table: what was promised, and what is measured. Pure.

A row holds when its value and the worse end of its 95 % interval both reach the goal; a value that reaches it without the
interval is not proven. A row nobody could measure says what it lacks. References are figures of others, under other conditions.

References:
    Pham et al. 2024, BARO; Chen et al. 2025, AIOpsLab; the rest as the rows say.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ordertrainer.evaluation.intervals import NO_SCORE, Score, words

COLUMNS: Final = ("order model", "rules", "logistic regression", "extra trees")
HOLDS, UNPROVEN, MISSED, UNKNOWN = "holds", "not proven", "does not hold", "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a value has to reach.

    Attributes:
        words: as it was set, with what it becomes later.
        at_least: smallest value that is good enough.
        at_most: largest one.
        of_min: units that prove it where no interval can (that of a rate never reaches 0), for example host-days.
    """

    words: str
    at_least: float = -math.inf
    at_most: float = math.inf
    of_min: float = 0.0

    def verdict(self, score: Score, of: float = math.inf) -> str:
        """Say whether a score reaches it.

        Args:
            score: the order model's.
            of: units that it is about, where the goal asks for some.
        """
        if not math.isfinite(score.value):
            return UNKNOWN
        if not self.at_least <= score.value <= self.at_most:
            return MISSED
        if self.of_min:
            return HOLDS if of >= self.of_min else UNPROVEN
        # An end that is no number proves nothing, unless nothing is asked of it.
        above = self.at_least == -math.inf or score.low >= self.at_least
        below = self.at_most == math.inf or score.high <= self.at_most
        return HOLDS if above and below else UNPROVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One promise.

    Attributes:
        name: what is measured.
        reference: what others reach.
        goal: to be reached.
        scores: by column; columns without one were not measured.
        lacks: what has to be given for the row to be measured.
        digits: after the point.
        of: units that the order model's score is about, where the goal asks for some.
        unit: of ``of``.
    """

    name: str
    reference: str
    goal: Goal
    lacks: str
    scores: Mapping[str, Score] = field(default_factory=dict[str, Score])
    digits: int = 3
    of: float = math.inf
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Say whether it holds, or what it lacks."""
        found = self.goal.verdict(self.scores.get(COLUMNS[0], NO_SCORE), self.of)
        if found == UNKNOWN:
            return f"{UNKNOWN}: {self.lacks}"
        return f"{found} ({self.of:.2g} {self.unit})" if self.unit else found

    @property
    def not_beaten(self) -> list[str]:
        """Return the columns that are better than the order model, or as good."""
        own, upwards = self.scores.get(COLUMNS[0], NO_SCORE).value, self.goal.at_least > -math.inf
        others = {column: score.value for column, score in self.scores.items() if column != COLUMNS[0]}
        return [column for column, value in others.items() if (value >= own if upwards else value <= own)]

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "row": self.name,
            "reference": self.reference,
            "goal": self.goal.words,
            "scores": {column: score.plain() for column, score in self.scores.items()},
            "verdict": self.verdict,
            "not_beaten": self.not_beaten,
        }


def goals_table(rows: Sequence[Row]) -> str:
    """Return the Markdown table, a promise a row; what was not measured is said below it, by what it lacks."""
    told = [row for row in rows if not row.verdict.startswith(UNKNOWN)]
    missing: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict.startswith(UNKNOWN):
            missing.setdefault(row.lacks, []).append(row.name)
    lines = [f"- {UNKNOWN}, needs {lacks}: {'; '.join(names)}" for lacks, names in missing.items()]
    return "\n\n".join(part for part in (_table(told) if told else "", "\n".join(lines)) if part)


def _table(rows: Sequence[Row]) -> str:
    head = ("score (95 %)", "reference", "goal", *COLUMNS, "holds?", "does not beat")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [
            row.name,
            row.reference,
            row.goal.words,
            *(words(row.scores.get(column, NO_SCORE), row.digits) for column in COLUMNS),
        ]
        lines.append(f"| {' | '.join(cells)} | {row.verdict} | {', '.join(row.not_beaten) or '-'} |")
    return "\n".join(lines)
