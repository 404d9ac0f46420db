"""One place where events ask for a sample, and where the loop waits for them. Pure asyncio.

systemd tells one death in several D-Bus messages: events within a short moment are one wake-up. A flapping unit must not turn
the daemon into a busy loop: wake-ups by events keep a least distance.
"""

import asyncio

COALESCE_S = 0.002
SPACING_S = 0.02


class Wakeups:
    """Collects events and hands them out one wake-up at a time."""

    def __init__(self, coalesce_s: float = COALESCE_S, spacing_s: float = SPACING_S) -> None:
        """Start with nothing pending."""
        self._coalesce_s = coalesce_s
        self._spacing_s = spacing_s
        self._cause = ""
        self._asked_s = 0.0
        self._woke_s = float("-inf")
        self._event = asyncio.Event()

    def notify(self, cause: str) -> None:
        """Ask for a wake-up; the first cause of a burst names it."""
        if not self._event.is_set():
            self._cause, self._asked_s = cause, asyncio.get_running_loop().time()
            self._event.set()

    async def wait(self, timeout_s: float) -> str:
        """Wait for an event.

        Args:
            timeout_s: at most so long.

        Returns:
            The kind of the event, or ``timer`` when there was none in time.
        """
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._event.wait()
        except TimeoutError:
            return "timer"
        loop = asyncio.get_running_loop()
        due_s = max(self._asked_s + self._coalesce_s, self._woke_s + self._spacing_s)
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        self._woke_s = loop.time()
        self._event.clear()
        return self._cause
