"""Earned autonomy: how often each playbook was right for each failure class, and what follows from it. In memory, kept durably.

Authority is granted and withdrawn by the stated numbers of ``decision.autonomy``; what a person says stands above them.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from orderd.config.schema import AutonomyConfig
from orderd.decision.kept import Saver
from orderd.domain.clock import Instant
from orderd.domain.faults import Failure
from orderd.domain.standing import Authority, Score, Standing

_Z: Final = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
PEOPLES: Final = frozenset({Authority.GRANTED_BY_PERSON, Authority.DENIED_BY_PERSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrule:
    """A person's word on one failure class and playbook, above the numbers.

    Attributes:
        failure: the class.
        repair: the playbook.
        authority: granted or denied by a person.
        why: the person's words.
        by: who.
        at: when.
    """

    failure: Failure
    repair: str
    authority: Authority
    why: str
    by: str
    at: Instant


def wilson_lower(right: int, count: int) -> float:
    """Return the lower end of the 95 % Wilson interval of a share; 0 without any outcome.

    Args:
        right: successes.
        count: outcomes.

    References:
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if count == 0:
        return 0.0
    share, z2 = right / count, _Z * _Z
    centre = share + z2 / (2 * count)
    margin = _Z * math.sqrt((share * (1 - share) + z2 / (4 * count)) / count)
    return max(0.0, (centre - margin) / (1 + z2 / count))


def judged(score: Score, limits: AutonomyConfig) -> Score:
    """Return a score with the authority that follows from its numbers and from the authority it had."""
    count, right = len(score.recent), sum(score.recent)
    lower, wrong = wilson_lower(right, count), count - right
    had = score.authority is Authority.EARNED
    numbers = f"{right} of the last {count} right, lower end {lower:.2f}"
    if wrong >= limits.wrong_max:
        lost = had or score.authority is Authority.WITHDRAWN
        why = f"{numbers}; {wrong} wrong, {limits.wrong_max} withdraw it"
        return replace(score, authority=Authority.WITHDRAWN if lost else Authority.SHADOW, why=why)
    if had or (count >= limits.outcomes_min and lower >= limits.right_ratio_min):
        return replace(score, authority=Authority.EARNED, why=numbers)
    why = f"{numbers}; {limits.outcomes_min} outcomes and {limits.right_ratio_min:g} earn it"
    return replace(score, why=why)


class Scorecard:
    """The scores of this host, one per failure class and playbook that had an outcome or a person's word."""

    def __init__(self, limits: AutonomyConfig, saver: Saver, scores: dict[str, Score], overrules: dict[str, Overrule]) -> None:
        """Take what was kept; scores are judged by the numbers as they are configured now."""
        self._limits = limits
        self._saver = saver
        self._scores = {key: judged(self._bounded(score), limits) for key, score in scores.items()}
        self._overrules = dict(overrules)
        self._none = judged(_blank(Failure.OK, ""), limits)

    def outcome(self, failure: Failure, repair: str, *, right: bool) -> tuple[Score, Score]:
        """Count one outcome; return the score before and after it."""
        key = _key(failure, repair)
        before = self.score(failure, repair)
        score = self._scores.get(key) or _blank(failure, repair)
        counted = replace(score, right=score.right + right, wrong=score.wrong + (not right), recent=(*score.recent, right))
        self._scores[key] = judged(self._bounded(counted), self._limits)
        self._saver.put_late(Standing.SCORE, key, self._scores[key])
        return before, self.score(failure, repair)

    def score(self, failure: Failure, repair: str) -> Score:
        """Return a score with the authority in force: a person's, else the numbers'."""
        key = _key(failure, repair)
        score = self._scores.get(key) or replace(self._none, failure=failure, repair=repair)
        overrule = self._overrules.get(key)
        if overrule is None:
            return score
        why = f"{overrule.by}: {overrule.why} ({score.why})"
        return replace(score, authority=overrule.authority, why=why)

    def all(self) -> tuple[Score, ...]:
        """Return every score, by failure class, then playbook."""
        keys = {(s.failure, s.repair) for s in (*self._scores.values(), *self._overrules.values())}
        return tuple(self.score(failure, repair) for failure, repair in sorted(keys))

    def overrule(self, word: Overrule) -> None:
        """Let a person's word stand above the numbers.

        Raises:
            JournalError: it could not be made durable, so it does not stand.
        """
        key = _key(word.failure, word.repair)
        self._saver.put(Standing.OVERRULE, key, word)
        self._overrules[key] = word

    def give_back(self, failure: Failure, repair: str) -> None:
        """Let the numbers speak again.

        Raises:
            JournalError: it could not be made durable.
        """
        self._saver.drop(Standing.OVERRULE, _key(failure, repair))
        self._overrules.pop(_key(failure, repair), None)

    def _bounded(self, score: Score) -> Score:
        return replace(score, recent=score.recent[-self._limits.window :])


def _key(failure: Failure, repair: str) -> str:
    return f"{failure} {repair}"


def _blank(failure: Failure, repair: str) -> Score:
    return Score(failure=failure, repair=repair, authority=Authority.SHADOW, right=0, wrong=0, recent=(), why="")
