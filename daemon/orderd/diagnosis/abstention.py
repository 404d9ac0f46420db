"""When nobody can name what is wrong: say so, after a while, instead of guessing. Pure; the state is since when it stands.

Two cases, both of which end with a person and never with a repair:

    UNKNOWN_FAILURE  the host is plainly in trouble (`nameless`), or the model is sure that it is, and neither it nor the rules
                     can say what is wrong
    LOW_CONFIDENCE   the model names a failure, but not surely enough, and the rules do not agree

The window still shows a failure for SLOT_AGES_S[-1] after it ended, so a host that had a named one lately is not doubted anew by
the model; what is plain must have stood for its time since anything had a name.
"""

from dataclasses import dataclass
from typing import Final

from orderd.diagnosis.merge import Opinion
from orderd.diagnosis.model import imagined
from orderd.diagnosis.nameless import STANDING_S, nameless
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import SLOT_AGES_S
from orderd.domain.values import Diagnosis, Reason, Scores, Source
from orderd.domain.window import Window

SETTLED_S: Final = SLOT_AGES_S[-1]
"""How long the oldest slot of the window shows what was."""
_HOST: Final = Entity(kind=EntityKind.HOST, key="system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something a person has to look at.

    Attributes:
        diagnosis: UNKNOWN, or the failure that is not sure enough.
        reason: UNKNOWN_FAILURE or LOW_CONFIDENCE.
        detail: for people.
    """

    diagnosis: Diagnosis
    reason: Reason
    detail: str


class Abstention:
    """Watches what the model says but cannot name."""

    def __init__(self, *, unknown_min: float, unknown_s: float) -> None:
        """Take the limits.

        Args:
            unknown_min: P(anything wrong) from which on a host without a name for it is doubted (``decision.unknown_min``).
            unknown_s: seconds it has to stand (``decision.unknown_s``).
        """
        self._unknown_min = unknown_min
        self._unknown_s = unknown_s
        self._named: Instant | None = None
        self._wrong_since: Instant | None = None
        self._subject: Entity | None = None
        self._unsure: dict[tuple[Entity, Failure], Instant] = {}

    def watch(
        self, window: Window, scores: Scores | None, model: tuple[Diagnosis, ...], opinions: tuple[Opinion, ...]
    ) -> tuple[Doubt, ...]:
        """Take one more window into account.

        Args:
            window: the newest one.
            scores: what the model said of it, None when it did not answer.
            model: the failures the model names, sure or not.
            opinions: what rules and model together say, also what is too young to be acted on.

        Returns:
            What has stood for ``unknown_s``, every time as long as it stands.
        """
        if opinions:
            self._named = window.at
        unsure: tuple[Doubt, ...] = ()
        if scores is None:
            self._unsure = {}
        else:
            unsure = self._low_confidence(window.at, model, opinions)
        return unsure or self._unknown(window, scores)

    def _low_confidence(self, now: Instant, model: tuple[Diagnosis, ...], opinions: tuple[Opinion, ...]) -> tuple[Doubt, ...]:
        decided = {opinion.chosen.entity for opinion in opinions}
        doubtful = {(d.entity, d.failure): d for d in model if d.entity not in decided}
        self._unsure = {key: self._unsure.get(key, now) for key in doubtful}
        if not self._settled(now):
            return ()
        return tuple(
            Doubt(
                diagnosis=doubtful[key],
                reason=Reason.LOW_CONFIDENCE,
                detail=f"the model has said {key[1]} {doubtful[key].probability:.0%} for {now.seconds_since(since):.0f} s; "
                "the rules see nothing: too unsure to touch anything",
            )
            for key, since in self._unsure.items()
            if now.seconds_since(since) >= self._unknown_s
        )

    def _unknown(self, window: Window, scores: Scores | None) -> tuple[Doubt, ...]:
        plain = nameless(window) if self._settled(window.at, STANDING_S) else ""
        stood_s = self._stood_s(window, scores)
        if plain:
            # The subject stays the same as long as the trouble stands: one incident, whoever sees it first, and however many
            # entities come to the top meanwhile.
            self._subject = self._subject or _HOST
            return (_plainly(plain, self._subject),)
        if scores is None or stood_s < self._unknown_s:
            self._subject = self._subject if self._wrong_since else None
            return ()
        likeliest = min(range(len(window.entities)), key=lambda i: scores.failures[i][0])
        if self._subject not in window.entities:
            self._subject = window.entities[likeliest]
        ok = scores.failures[window.entities.index(self._subject)][0]
        detail = (
            f"the model has said for {stood_s:.0f} s that something is wrong on this host ({scores.wrong:.0%}); "
            f"nobody can name it; {self._subject} looks worst (ok {ok:.0%})"
        )
        diagnosis = Diagnosis(
            failure=Failure.UNKNOWN,
            entity=self._subject,
            probability=scores.wrong,
            source=Source.MODEL,
            evidence=f"P(anything wrong) {scores.wrong:.1%}, ok {ok:.1%}",
        )
        return (Doubt(diagnosis=diagnosis, reason=Reason.UNKNOWN_FAILURE, detail=detail),)

    def _stood_s(self, window: Window, scores: Scores | None) -> float:
        """Return for how long the model has been sure that something is wrong, and named nothing that cannot be."""
        said = scores is not None and scores.wrong >= self._unknown_min and not imagined(window, scores)
        if not said or not window.entities or not self._settled(window.at):
            self._wrong_since = None
            return 0.0
        self._wrong_since = self._wrong_since or window.at
        return window.at.seconds_since(self._wrong_since)

    def _settled(self, now: Instant, for_s: float = SETTLED_S) -> bool:
        """Tell whether nothing has had a name for some time."""
        return self._named is None or now.seconds_since(self._named) >= for_s


def _plainly(plain: str, subject: Entity) -> Doubt:
    diagnosis = Diagnosis(failure=Failure.UNKNOWN, entity=subject, probability=1.0, source=Source.RULES, evidence=plain)
    return Doubt(diagnosis=diagnosis, reason=Reason.UNKNOWN_FAILURE, detail=f"{plain}; nobody can name why")
