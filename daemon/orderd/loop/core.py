"""What the loop's own parts share: the rooms, the book, the incidents, the guard's memory, the notices. Pure."""

from dataclasses import dataclass

from orderd.decision import GuardMemory
from orderd.domain.values import Decision, IncidentState, Step
from orderd.loop.book import Book
from orderd.loop.hands import Hands
from orderd.loop.incidents import Incidents
from orderd.loop.notices import Notices
from orderd.loop.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The middle of the loop.

    Attributes:
        parts: the rooms.
        book: writes decisions and steps.
        incidents: what orderd is working on.
        memory: of the guard.
        notices: tells people.
        hands: what people were seen changing.
    """

    parts: Parts
    book: Book
    incidents: Incidents
    memory: GuardMemory
    notices: Notices
    hands: Hands

    def step(self, decision: Decision, what: str, detail: str, state: IncidentState) -> Step:
        """Return a step that happens now."""
        return Step(decision_id=decision.decision_id, at=self.parts.clock.now(), state=state, what=what, detail=detail)
