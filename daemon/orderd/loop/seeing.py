"""What is wrong now: the window, both diagnosers, and what nobody can name. Asks orderd-infer; otherwise pure state."""

from dataclasses import dataclass
from typing import Final

from orderd.config import Config
from orderd.diagnosis import Abstention, Opinion, by_model, by_rules, emerging, merge, untaught
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Diagnosis, Sample, Scores, Source
from orderd.domain.window import History, Window
from orderd.errors import InferenceError
from orderd.loop.parts import InferencePart

MODEL_ALONE_S: Final = 0.8
"""A diagnosis only the model makes must stand this long: one odd window is no reason to touch a host."""
NAMES_S: Final = 2.0
"""Names that do not resolve must do so this long, whoever says it: by then services show whether it is they that are alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One tick's view of the host.

    Attributes:
        window: what was looked at.
        scores: what the model said of it, None when it did not answer.
        opinions: failures to act on, by entity; also those that nobody can name, for which a person is called.
        emerging: what is too young to be acted on, but may be the cause of the others.
    """

    window: Window
    scores: Scores | None
    opinions: tuple[Opinion, ...]
    emerging: tuple[Diagnosis, ...] = ()

    @property
    def sample(self) -> Sample:
        """Return the newest sample."""
        return self.window.newest

    def opinion(self, entity: Entity) -> Opinion | None:
        """Return what is wrong with an entity, None for nothing."""
        return next((o for o in self.opinions if o.chosen.entity == entity), None)


class Diagnoser:
    """Turns samples into what was seen."""

    def __init__(self, config: Config, inference: InferencePart) -> None:
        """Start without a past."""
        self._config = config
        self._inference = inference
        self._history = History()
        self._young: dict[Entity, Instant] = {}
        self._abstention = Abstention(unknown_min=config.decision.unknown_min, unknown_s=config.decision.unknown_s)

    async def look(self, sample: Sample) -> Seen:
        """Judge the newest sample in the light of those before it."""
        window = self._history.add(sample)
        try:
            scores = await self._inference.classify(window)
        except InferenceError:
            scores = None
        model: tuple[Diagnosis, ...] = () if scores is None else by_model(window, scores)
        opinions = merge(by_rules(window), model, self._config.inference.confidence_min, untaught(window, scores))
        doubts = self._abstention.watch(window, scores, model, opinions)
        acted_on = (*self._without_flickers(opinions, window.at), *(Opinion(chosen=d.diagnosis, other=None) for d in doubts))
        return Seen(window=window, scores=scores, opinions=acted_on, emerging=emerging(window))

    def _without_flickers(self, opinions: tuple[Opinion, ...], now: Instant) -> tuple[Opinion, ...]:
        must_stand_s = {o.chosen.entity: seconds for o in opinions if (seconds := _must_stand_s(o))}
        self._young = {entity: self._young.get(entity, now) for entity in must_stand_s}
        stood = {entity for entity, since in self._young.items() if now.seconds_since(since) >= must_stand_s[entity]}
        return tuple(o for o in opinions if o.chosen.entity not in must_stand_s or o.chosen.entity in stood)


def _must_stand_s(opinion: Opinion) -> float:
    if opinion.chosen.failure is Failure.DNS_BROKEN:
        return NAMES_S
    alone = opinion.chosen.source is Source.MODEL and opinion.other is None
    return MODEL_ALONE_S if alone else 0.0
