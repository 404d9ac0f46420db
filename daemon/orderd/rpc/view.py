"""What the gRPC interface needs of the running daemon. Pure; the loop implements it, tests bring a fake."""

from typing import Protocol

from orderd.domain.faults import Entity
from orderd.domain.status import HostStatus
from orderd.domain.values import Hold


class HostView(Protocol):
    """The host as the loop sees it, and the holds people place on it. Called on the event loop; answers at once."""

    def status(self) -> HostStatus:
        """Return the host as of now."""
        ...

    def hold(self, entity: Entity, duration_s: float, why: str, by: str) -> Hold:
        """Leave an entity alone for a while; a second hold on one entity replaces the first.

        Args:
            entity: what is changed on purpose.
            duration_s: seconds, positive.
            why: the person's words, not empty.
            by: who, as the kernel said.

        Raises:
            ValueError: longer than ``decision.hold_max_s``.
            LookupError: orderd does not watch this entity.
        """
        ...

    def release(self, entity: Entity) -> bool:
        """End a hold early; return False when there was none."""
        ...

    def holds(self) -> tuple[Hold, ...]:
        """Return the holds that have not ended."""
        ...
