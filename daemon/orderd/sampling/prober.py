"""Asks one thing again and again, and remembers the newest outcome. Pure asyncio; the conversation is an argument.

At most one question is outstanding, so that a service that never answers costs one connection and its age is a signal.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from orderd.sampling.ask import Ask, NotAskedError, ProbeFailedError
from orderd.sampling.collector import NAN
from orderd.sampling.rounds import next_round_s

_log = logging.getLogger(__name__)
SPACING_S = 0.02


class Prober:
    """One thing that is asked again and again.

    Attributes:
        ok: 1 or 0 for the last finished question, missing until there is one, and while this host has nothing left to ask with.
    """

    def __init__(self, *, name: str, ask: Ask, timeout_s: float, interval_s: float, on_flip: Callable[[], None]) -> None:
        """Prepare; ``run`` asks.

        Args:
            name: what is asked, for the log.
            ask: asks once.
            timeout_s: a question not answered in time has failed.
            interval_s: from the start of one question to the start of the next; one asked in a hurry does not move the others.
            on_flip: called when an outcome differs from the one before.
        """
        self._name = name
        self._ask = ask
        self._timeout_s = timeout_s
        self._usual_s = interval_s
        self._interval_s = interval_s
        self._on_flip = on_flip
        self._hurried = False
        self._resting: asyncio.Future[None] | None = None
        self._asked_s: float | None = None
        self._took_s = NAN
        self.ok = NAN

    def hurry(self) -> None:
        """Ask at once, or once more when a question is outstanding: its answer may be about the time before."""
        self._hurried = True
        if self._resting is not None:
            _wake(self._resting)

    def focus(self, interval_s: float | None) -> None:
        """Ask at another interval, None for the usual one."""
        self._interval_s = self._usual_s if interval_s is None else min(interval_s, self._usual_s)
        self.hurry()

    def latency_s(self) -> float:
        """Return the duration of the last question, or the age of the outstanding one when that is longer."""
        age_s = NAN if self._asked_s is None else time.monotonic() - self._asked_s
        if math.isnan(self._took_s):
            return age_s
        return self._took_s if math.isnan(age_s) else max(self._took_s, age_s)

    async def run(self) -> None:
        """Ask until cancelled."""
        first_s = time.monotonic()
        while True:
            self._hurried = False
            started_s = self._asked_s = time.monotonic()
            ok, reason = await self._outcome()
            self._took_s, self._asked_s = NAN if math.isnan(ok) else time.monotonic() - started_s, None
            self._finish(ok, reason)
            await self._rest(next_round_s(first_s, started_s, self._interval_s, SPACING_S))
            # A flapping unit is in a hurry all the time.
            if (early_s := started_s + SPACING_S - time.monotonic()) > 0:
                await asyncio.sleep(early_s)

    async def _outcome(self) -> tuple[float, str]:
        """Return what `ok` is now, and why."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ask()
        except NotAskedError as error:
            return NAN, f"cannot ask: {error}"
        except ProbeFailedError as error:
            return 0.0, str(error) or type(error).__name__
        except TimeoutError:
            return 0.0, f"no answer in {self._timeout_s:g} s"
        return 1.0, "ok"

    def _finish(self, ok: float, reason: str) -> None:
        before, self.ok = self.ok, ok
        if before != ok and not (math.isnan(before) and math.isnan(ok)):
            _log.info("probe of %s: %s", self._name, reason)
            self._on_flip()

    async def _rest(self, until_s: float) -> None:
        """Sleep until the next question is due, or somebody is in a hurry."""
        if self._hurried:
            return
        loop = asyncio.get_running_loop()
        self._resting = loop.create_future()
        timer = loop.call_later(max(0.0, until_s - time.monotonic()), _wake, self._resting)
        try:
            await self._resting
        finally:
            timer.cancel()
            self._resting = None


def _wake(resting: "asyncio.Future[None]") -> None:
    if not resting.done():
        resting.set_result(None)
