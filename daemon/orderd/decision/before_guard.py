"""The guard: may this repair run on this target now? Keeps the times of recent repairs; every refusal has a reason code."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from orderd.config import Config
from orderd.decision.holds import Holds
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.repairs import Repair
from orderd.domain.values import Mode, Reason

_HOUR_NS: Final = 3600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the guard said: ``reason`` is ALLOWED or why not."""

    reason: Reason
    detail: str = ""

    @property
    def allowed(self) -> bool:
        """Tell whether the repair may run."""
        return self.reason is Reason.ALLOWED


class Guard:
    """Modes, holds, cooldown and rates. One per host; repairs it allowed are reported back with ``started``."""

    def __init__(self, config: Config, holds: Holds) -> None:
        """Start with no memory of repairs; ``started`` restores it from the journal."""
        self._limits = config.decision
        self._holds = holds
        self._recent: deque[tuple[int, Entity, str]] = deque()

    def started(self, at: Instant, target: Entity, repair: str) -> None:
        """Remember that a repair ran."""
        self._recent.append((at.mono_ns, target, repair))

    def rule(self, repair: Repair, target: Entity, now: Instant) -> Ruling:
        """Decide whether a repair may run on a target now.

        Args:
            repair: its contract.
            target: the entity.
            now: the current moment.

        Returns:
            ALLOWED, or the first reason against it: what people said comes before what was counted.
        """
        hold = self._holds.of(target, now)
        if hold is not None:
            return Ruling(reason=Reason.HELD, detail=f"held by {hold.by}: {hold.why}")
        if self._limits.mode is Mode.OBSERVE:
            return Ruling(reason=Reason.MODE_OBSERVE, detail="orderd only observes on this host (decision.mode)")
        if self._limits.mode is Mode.APPROVE:
            return Ruling(reason=Reason.MODE_APPROVE, detail="a person has to run it (decision.mode)")
        return self._rates(repair, target, now)

    def _rates(self, repair: Repair, target: Entity, now: Instant) -> Ruling:
        while self._recent and self._recent[0][0] < now.mono_ns - _HOUR_NS:
            self._recent.popleft()
        same = [at for at, entity, name in self._recent if entity == target and name == repair.name]
        if same and (now.mono_ns - same[-1]) / 1e9 < repair.cooldown_s:
            return Ruling(reason=Reason.COOLDOWN, detail=f"{repair.name} ran on it less than {repair.cooldown_s:g} s ago")
        on_target = sum(1 for _, entity, _ in self._recent if entity == target)
        if on_target >= self._limits.repairs_per_target_per_hour:
            return Ruling(reason=Reason.TARGET_RATE, detail=f"{on_target} repairs of {target} in the last hour")
        if len(self._recent) >= self._limits.repairs_per_host_per_hour:
            return Ruling(reason=Reason.HOST_RATE, detail=f"{len(self._recent)} repairs on this host in the last hour")
        return Ruling(reason=Reason.ALLOWED)
