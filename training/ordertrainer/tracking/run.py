"""One training's run on a tracking server, told in the background. Touches the network, and one file of the training's folder.

Lines wait in a bounded queue for one thread, which tries again with growing pauses while nobody answers. What was not told when a
training ends is said once; `history.jsonl` has it, and a resumed training tells it first.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from ordertrainer.tracking import figures, kept
from ordertrainer.tracking.rest import ABSENT, Rest, RestError
from ordertrainer.tracking.settings import Server

WAITING_MAX: Final = 1024
"""Lines; so many iterations without an answer are rare."""
PAUSES_S: Final = (1.0, 60.0)
"""The first pause after a call that failed, and the longest."""
LEAVE_S: Final = 10.0
"""At most so long a training's end waits for what is still to be told."""
KILLED, FAILED, FINISHED, RUNNING = "KILLED", "FAILED", "FINISHED", "RUNNING"

Say = Callable[[str], None]


class Run:
    """Tells a server of one training. Nothing here raises, or waits for anybody before the training is over."""

    def __init__(
        self,
        server: Server,
        out: Path,
        *,
        settings: Mapping[str, Any],
        about: Mapping[str, Any],
        say: Say,
        rest: Rest | None = None,
    ) -> None:
        """Prepare to tell; nothing is sent before `begin`, and the folder's history is read now, before it grows.

        Args:
            server: which.
            out: the training's folder; its name is the run's.
            settings: become parameters.
            about: becomes tags.
            say: told once when there is trouble, and once when not all was told in the end.
            rest: calls the server.
        """
        self._server, self._out, self._settings, self._about, self._say = server, out, settings, about, say
        self._rest = rest or Rest(server)
        self._kept, self._before = kept.read(out, server.uri, server.experiment), kept.history(out)
        self._waiting: queue.Queue[Mapping[str, Any] | str] = queue.Queue(WAITING_MAX)
        self._leaving, self._untold, self._warned = threading.Event(), 0, False
        self._thread = threading.Thread(target=self._tell, name="mlflow", daemon=True)

    def begin(self) -> None:
        """Begin, or go on with the folder's run; lines of its history that the server does not have come first."""
        self._thread.start()

    def line(self, said: Mapping[str, Any]) -> None:
        """Tell how an epoch or iteration ended, at once or later."""
        try:
            self._waiting.put_nowait({"line": dict(said), "at_ms": _now_ms()})
        except queue.Full:
            self._untold += 1

    def end(self, status: str) -> None:
        """Tell how the training ended, and wait a little for what is still to be told."""
        until_s = time.monotonic() + LEAVE_S
        self._leaving.set()
        try:
            self._waiting.put(status, timeout=LEAVE_S)
        except queue.Full:
            self._untold += 1
        self._thread.join(max(0.0, until_s - time.monotonic()))
        if self._untold or self._thread.is_alive():
            self._say(
                f"MLflow at {self._server.uri} was not told everything; history.jsonl has it, and a resumed training tells it"
            )

    def _tell(self) -> None:
        lost = not self._patiently(self._open)
        self._untold += not (lost or self._patiently(self._describe))
        for line in self._before:
            self._untold += lost or not self._patiently(partial(self._add, {"line": line, "at_ms": _now_ms()}))
        while True:
            told = self._waiting.get()
            call = partial(self._close, told) if isinstance(told, str) else partial(self._add, told)
            self._untold += lost or not self._patiently(call)
            if isinstance(told, str):
                return

    def _patiently(self, call: Callable[[], None]) -> bool:
        """Make a call until it succeeds; tell whether it did. Who leaves waits for no second attempt."""
        pause_s, longest_s = PAUSES_S
        while True:
            try:
                call()
            except (RestError, OSError) as error:
                self._warn(error)
                if not getattr(error, "again", False) or self._leaving.wait(pause_s):
                    return False
                pause_s = min(longest_s, 2.0 * pause_s)
            else:
                return True

    def _open(self) -> None:
        if self._kept.run_id:
            try:
                self._rest.update_run(self._kept.run_id, RUNNING)
            except RestError as error:
                if error.code != ABSENT:
                    raise
                self._kept = replace(self._kept, run_id="", told_to=-1)  # somebody has removed it
            else:
                return
        experiment = self._rest.experiment(self._server.experiment)
        run_id = self._rest.create_run(experiment, self._out.name, _now_ms(), figures.tags(self._about))
        self._keep(replace(self._kept, run_id=run_id))

    def _describe(self) -> None:
        self._rest.log_batch(self._kept.run_id, params=figures.params(self._settings))

    def _add(self, told: Mapping[str, Any]) -> None:
        step = figures.step_of(told["line"])
        if step > self._kept.told_to:
            self._rest.log_batch(self._kept.run_id, metrics=figures.metrics(told["line"], told["at_ms"]))
            self._keep(replace(self._kept, told_to=step))

    def _close(self, status: str) -> None:
        files = sorted(file.name for file in self._out.iterdir() if file.suffix in {".pt", ".jsonl", ".json"})
        self._rest.log_batch(self._kept.run_id, tags=figures.tags({"artifacts": ", ".join(files), "folder": self._out}))
        self._rest.update_run(self._kept.run_id, status, _now_ms())

    def _keep(self, now: kept.Kept) -> None:
        self._kept = now
        kept.write(self._out, now)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            self._say(f"MLflow at {self._server.uri}: {error}; the training goes on, and history.jsonl has every line")


@contextmanager
def tracked(
    server: Server | None, out: Path, *, settings: Mapping[str, Any], about: Mapping[str, Any], say: Say
) -> Generator[Callable[[Mapping[str, Any]], None]]:
    """Tell a server of a training for as long as it runs; what is yielded takes each line of its history.

    Args:
        server: None: nobody is told.
        out: the training's folder; made when it is missing.
        settings: become parameters.
        about: becomes tags: commit, digests, seed.
        say: told of trouble, at most twice.
    """
    if server is None:
        yield lambda _line: None
        return
    out.mkdir(parents=True, exist_ok=True)
    run = Run(server, out, settings=settings, about=about, say=say)
    run.begin()
    try:
        yield run.line
    except BaseException as error:
        run.end(KILLED if isinstance(error, KeyboardInterrupt) else FAILED)
        raise
    run.end(FINISHED)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
