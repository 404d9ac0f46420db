"""Is orderd itself well? Freshness of its parts, the watchdog, the health that gRPC tells. Touches the executor's socket.

Fresh means that a part went round: it answered, or failed with words (those are in ``degraded``). Only a part that hangs is not
fresh. systemd's watchdog is fed only while sampler, journal and executor are all fresh: a part that hangs is cured by a restart,
a full disk or a stopped executor is not.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from orderd.config import Config
from orderd.config.modes import laxest_mode
from orderd.domain.clock import Clock, Instant
from orderd.domain.standing import Standing
from orderd.domain.values import Mode
from orderd.errors import ExecutorError, JournalError
from orderd.executor.messages import Awake
from orderd.loop.parts import KeptPart

log = logging.getLogger(__name__)

SAMPLER: Final = "sampler"
JOURNAL: Final = "journal"
EXECUTOR: Final = "executor"
FRESH_S: Final = {SAMPLER: 15.0, JOURNAL: 45.0, EXECUTOR: 60.0}
"""How old the last round of a part may be; several of its periods, less than WatchdogSec for what ticks every second."""
CHECK_S: Final = 10.0
SERVING_S: Final = 5.0
"""Health says NOT_SERVING when the newest tick is older than this and than five sampling periods."""
PROBE_KEY: Final = "journal-probe"


class WakePart(Protocol):
    """See orderd.executor.client.ExecutorClient."""

    async def wake(self, timeout_s: float = 2.0) -> Awake:
        """Ask whether it is ready."""
        ...


class Vitals:
    """What went round when, and what it said."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Start with everything just checked: a part gets its time to begin."""
        now = clock.now()
        self._config = config
        self._clock = clock
        self._rounds: dict[str, Instant] = dict.fromkeys(FRESH_S, now)
        self._ticked: Instant | None = None
        self._stood = ""
        self.executor = ""
        self.refused: dict[str, str] = {}

    def ticked(self, sampled: Instant) -> None:
        """Note that a tick came to its end with a sample of this moment."""
        self._rounds[SAMPLER] = self._ticked = sampled

    def went_round(self, part: str) -> None:
        """Note that a part answered, or failed with words."""
        self._rounds[part] = self._clock.now()

    def stale(self) -> tuple[str, ...]:
        """Return the parts that hang."""
        now = self._clock.now()
        return tuple(part for part, at in self._rounds.items() if now.seconds_since(at) > FRESH_S[part])

    def serving(self) -> bool:
        """Tell whether orderd does its work: it ticks."""
        if self._ticked is None:
            return False
        limit_s = max(SERVING_S, 5 * self._config.sampling.period_s)
        return self._clock.now().seconds_since(self._ticked) <= limit_s

    def problems(self) -> list[str]:
        """Return what does not work, one sentence each."""
        found = [f"{part} has not answered for {FRESH_S[part]:.0f} s" for part in self.stale()]
        if self.executor:
            found.append(f"no repairs: {self.executor}")
        found += [f"orderd-exec refuses repair {name}: {why}" for name, why in self.refused.items()]
        return found

    @property
    def repairs_at_all(self) -> bool:
        """Tell whether any repair may ever run here; else the executor is left asleep."""
        decision = self._config.decision
        names = (*decision.modes.repairs, "")
        return any(laxest_mode(decision, name) is not Mode.OBSERVE for name in names)

    async def check_executor(self, executor: WakePart) -> None:
        """Ask the executor whether it is ready, where it is ever needed."""
        if not self.repairs_at_all:
            self.executor, self.refused = "", {}
            self.went_round(EXECUTOR)
            return
        try:
            awake = await executor.wake()
        except ExecutorError as error:
            self.executor, self.refused = str(error), {}
        else:
            self.executor = "" if awake.zygote else "orderd-zygote does not answer; see the journal of orderd-zygote.service"
            self.refused = awake.refused
        self.went_round(EXECUTOR)

    async def watch(self, executor: WakePart, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Check the executor from time to time, until cancelled."""
        while True:
            await self.check_executor(executor)
            await sleep(CHECK_S)

    def check_journal(self, kept: KeptPart, *, failing: bool) -> str:
        """Prove that the journal can be written, where that is in doubt or nothing was written for long.

        Args:
            kept: writes to the journal's file.
            failing: the last write failed.

        Returns:
            Why it cannot be written; empty when it can.
        """
        idle_s = self._clock.now().seconds_since(self._rounds[JOURNAL])
        if not failing and idle_s < CHECK_S:
            return ""
        try:
            kept.drop(Standing.REQUEST, PROBE_KEY)
            if failing:
                kept.put(Standing.REQUEST, PROBE_KEY, {})
                kept.drop(Standing.REQUEST, PROBE_KEY)
        except JournalError as error:
            return str(error)
        finally:
            self.went_round(JOURNAL)
        return ""

    async def tell_health(
        self, set_serving: Callable[[bool], Awaitable[None]], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Keep the health that gRPC tells true, until cancelled."""
        while True:
            await set_serving(self.serving())
            await sleep(1.0)

    def may_feed(self) -> bool:
        """Tell whether systemd's watchdog may be fed; say once what stands in the way."""
        stood = ", ".join(self.stale())
        if stood and stood != self._stood:
            log.error("the watchdog is not fed: %s stands still", stood)
        self._stood = stood
        return not stood
