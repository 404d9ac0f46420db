"""Watching decisions over restarts of orderd: goes on where it was cut off, and misses nothing. Calls orderd; waits.

connected -> cut off -> said once, tried again -> connected, with the resume token | given up after GIVE_UP_S
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

from orderd.ctl.client import CtlError, Exit, connect
from orderd.v1 import decision_pb2

GIVE_UP_S: Final = 60.0
"""An orderd that is restarted is back within seconds; one that was stopped is not waited for."""
AGAIN_S: Final = 0.5


def _may_come_back(error: CtlError, path: str) -> bool:
    """Tell whether an error is what a restart looks like from outside; for a moment its new socket belongs to root alone."""
    refused = error.code is Exit.NOT_ALLOWED and (error.status is not None or path.startswith("tls://"))
    return error.code in {Exit.NOT_RUNNING, Exit.NOT_ALLOWED} and not refused


class Following:
    """One watch, over as many connections as it takes."""

    def __init__(
        self,
        path: str,
        *,
        cut_off: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare to watch.

        Args:
            path: see ``orderd.ctl.client.connect``.
            cut_off: called once whenever orderd has gone.
            now: monotonic seconds.
            sleep: waits for so many seconds.
        """
        self._path = path
        self._cut_off = cut_off
        self._now = now
        self._sleep = sleep
        self._token = ""
        self._ever = False
        self._away_since: float | None = None

    def changes(self, failure: str = "", after: str = "") -> Iterator[decision_pb2.WatchDecisionsResponse]:
        """Yield every change of a decision.

        Args:
            failure: only of this failure class; empty for all.
            after: the resume token of the last change that was handled; empty for from now on.

        Raises:
            CtlError: orderd was not there to begin with, refused, or has not come back.
        """
        self._token = after
        while True:
            why = CtlError(Exit.NOT_RUNNING, "orderd has stopped")
            try:
                with connect(self._path) as client:
                    for change in client.watch(failure, self._token, self._begun):
                        self._token = change.resume_token
                        yield change
            except CtlError as error:
                if not self._ever or not _may_come_back(error, self._path):
                    raise
                why = error
            self._wait(why)

    def _begun(self, token: str) -> None:
        self._ever, self._away_since = True, None
        # Whoever is cut off before the first change goes on from where the watch began.
        self._token = self._token or token

    def _wait(self, why: CtlError) -> None:
        if self._away_since is None:
            self._away_since = self._now()
            self._cut_off()
        if self._now() - self._away_since >= GIVE_UP_S:
            raise CtlError(Exit.NOT_RUNNING, f"orderd has not come back within {GIVE_UP_S:g} s: {why}") from why
        self._sleep(AGAIN_S)
