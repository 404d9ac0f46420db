"""Which repairs are under way, and whether one more may join them. In memory; monotonic clock.

Two repairs run side by side only when their contracts cannot touch the same thing. An undo counts as the repair it takes back.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final

from orderd.domain.faults import Entity
from orderd.domain.repairs import Repair, disjoint
from orderd.executor.messages import Code, RepairRequest, RunningRepair
from orderd.executor.targets import Refusal

_BUSY: Final = "another repair is running"


class UnderWay:
    """The repairs between their first check and the end of their last process."""

    def __init__(self, repairs: Mapping[str, Repair], *, at_once: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without any.

        Args:
            repairs: verified contracts by name.
            at_once: most repairs under way.
            monotonic: the clock, seconds.
        """
        self._repairs = repairs
        self._at_once = at_once
        self._monotonic = monotonic
        self._requests: dict[RepairRequest, float] = {}

    def now(self) -> tuple[RunningRepair, ...]:
        """Return the repairs under way, oldest first."""
        return tuple(
            RunningRepair(
                repair_id=request.repair_id,
                playbook=request.playbook,
                target=request.target,
                mode=request.mode,
                remaining_s=max(0.0, ends - self._monotonic()),
            )
            for request, ends in self._requests.items()
        )

    @contextmanager
    def one_more(self, request: RepairRequest) -> Generator[None]:
        """Count a repair as under way until the context ends.

        Raises:
            Refusal: it has to wait for another one.
        """
        self._check(request)
        self._requests[request] = self._monotonic() + request.deadline_s
        try:
            yield
        finally:
            del self._requests[request]

    def _check(self, request: RepairRequest) -> None:
        if len(self._requests) >= self._at_once:
            raise Refusal(Code.BUSY, f"{_BUSY}; at most {self._at_once} at a time (decision.repairs_at_once)")
        for other in self._requests:
            if not self._may_run_beside(request, other):
                raise Refusal(Code.BUSY, f"{_BUSY}: {other.playbook} on {other.target}; the two may touch the same thing")

    def _may_run_beside(self, request: RepairRequest, other: RepairRequest) -> bool:
        if request.playbook not in self._repairs or other.playbook not in self._repairs:
            return False
        try:
            targets = Entity.parse(request.target), Entity.parse(other.target)
        except ValueError:
            return False
        return disjoint(self._repairs[request.playbook], targets[0], self._repairs[other.playbook], targets[1])
