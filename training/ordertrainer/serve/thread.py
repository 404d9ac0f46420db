"""The trainer's server for synchronous callers: an event loop in a thread of its own. Touches what `server` touches."""

import asyncio
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from ordertrainer.serve.door import Tls
from ordertrainer.serve.server import TrainerServer
from ordertrainer.serve.service import Ingested

_TLS: Final = Tls()


class TrainerThread:
    """A running `TrainerServer`; leaving its ``with`` block stops it and compacts everything."""

    def __init__(self, root: Path, listen: str | Sequence[str], *, insecure: bool = False, tls: Tls = _TLS) -> None:
        """Prepare; see `TrainerServer`."""
        self._server = TrainerServer(root, listen, insecure=insecure, tls=tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="trainer", daemon=True)

    @property
    def address(self) -> str:
        """Return the first address that is listened on."""
        return self._server.address

    @property
    def ingested(self) -> Ingested:
        """Return what came in since the start; counters only rise, so reading them needs no lock."""
        return self._server.ingested

    def start(self) -> None:
        """Open the directory and listen.

        Raises:
            ServeError: the directory cannot be used, or an address is taken.
        """
        # Signals are for the main thread alone, which may be holding them back while it cleans up; threads inherit the mask.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result()
        except BaseException:
            self._end_loop()
            raise

    def stop(self) -> None:
        """Stop listening and compact everything."""
        try:
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
