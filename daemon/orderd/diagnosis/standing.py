"""What has to stand for a moment before it is acted on. Pure; the state is since when each diagnosis stands."""

from collections.abc import Iterable
from typing import Final

from orderd.diagnosis.merge import Opinion
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, Failure
from orderd.domain.values import Source

MODEL_ALONE_S: Final = 0.8
"""A diagnosis only the model makes must stand this long: one odd window is no reason to touch a host."""
NAMES_S: Final = 2.0
"""Names that do not resolve must do so this long, whoever says it: by then services show whether it is they that are alone."""


class Standing:
    """Lets through what has stood for long enough."""

    def __init__(self) -> None:
        """Start without a past."""
        self._since: dict[Entity, Instant] = {}

    def without_flickers(self, opinions: Iterable[Opinion], now: Instant) -> tuple[Opinion, ...]:
        """Return the opinions that may be acted on now.

        Args:
            opinions: of the newest window, one an entity.
            now: when it was taken.
        """
        opinions = tuple(opinions)
        must_stand_s = {o.chosen.entity: seconds for o in opinions if (seconds := _must_stand_s(o))}
        self._since = {entity: self._since.get(entity, now) for entity in must_stand_s}
        stood = {entity for entity, since in self._since.items() if now.seconds_since(since) >= must_stand_s[entity]}
        return tuple(o for o in opinions if o.chosen.entity not in must_stand_s or o.chosen.entity in stood)


def _must_stand_s(opinion: Opinion) -> float:
    if opinion.chosen.failure is Failure.DNS_BROKEN:
        return NAMES_S
    alone = opinion.chosen.source is Source.MODEL and opinion.other is None
    return MODEL_ALONE_S if alone else 0.0
