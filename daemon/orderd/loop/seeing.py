"""What is wrong now: the window, both diagnosers, and what nobody can name. Asks orderd-infer; otherwise pure state."""

from dataclasses import dataclass

from orderd.config import Config
from orderd.diagnosis import Abstention, Opinion, Standing, by_model, by_rules, emerging, merge, untaught
from orderd.domain.faults import Entity
from orderd.domain.values import Diagnosis, Sample, Scores
from orderd.domain.window import History, Window
from orderd.errors import InferenceError
from orderd.loop.parts import InferencePart


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
        self._standing = Standing()
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
        stood = self._standing.without_flickers(opinions, window.at)
        acted_on = (*stood, *(Opinion(chosen=d.diagnosis, other=None) for d in doubts))
        return Seen(window=window, scores=scores, opinions=acted_on, emerging=emerging(window))
