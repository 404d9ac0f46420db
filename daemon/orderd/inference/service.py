"""orderd-infer: holds one model, replaces it when asked or on SIGHUP, answers until SIGTERM. Touches signals, a socket, models.

A model is checked and loaded beside the one that answers; only when it passed everything is it swapped in. Without a model the
program still runs and says why, so that orderd's status can say it too.
"""

import os
import signal
import socket
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from orderd.config.schema import InferenceConfig
from orderd.inference.protocol import Load, Loaded
from orderd.inference.server import Reply, Server
from orderd.inference.slot import ModelSlot
from orderd.memory import trim

WAITING_MAX: Final = 8
"""Loads that wait for the one that runs; each may take a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One load: of the configured model, or of one that was asked for and where the answer goes."""

    load: Load | None = None
    reply: Reply | None = None


def _noted_by_the_wakeup_fd(_number: int, _frame: object) -> None:
    """Replace the default, which would end the program."""


class Service:
    """Ties signals, loading and serving together."""

    def __init__(self, config: InferenceConfig, listener: socket.socket) -> None:
        """Prepare to serve on a listening socket."""
        self._slot = ModelSlot(config)
        self._server = Server(listener, self._slot, self._on_load)
        self._wakeup, self._signalled = socket.socketpair()
        self._running = True
        self._loader: threading.Thread | None = None
        self._task = _Task()
        self._outcome: Loaded | None = None
        self._waiting: deque[_Task] = deque()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self._watch_signals()
        self._start_loading(_Task())
        while self._running:
            self._server.step()
        self._server.close()

    def _watch_signals(self) -> None:
        for sock in (self._wakeup, self._signalled):
            sock.setblocking(False)  # noqa: FBT003  no keyword exists
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _noted_by_the_wakeup_fd)
        self._server.watch(self._wakeup, self._on_wakeup)

    def _on_wakeup(self) -> None:
        for number in self._wakeup.recv(64):
            if number == 0:
                self._loaded()
            elif number == signal.SIGHUP:
                self._reload()
            else:
                self._running = False

    def _reload(self) -> None:
        """Load the configured model afresh; one such load that has not begun yet is enough for any number of signals."""
        if all(task.load is not None for task in self._waiting):
            self._start_loading(_Task())

    def _on_load(self, load: Load, reply: Reply) -> None:
        if len(self._waiting) >= WAITING_MAX:
            reply(Loaded(accepted=False, why=f"{WAITING_MAX} models wait to be loaded already; try again later"))
        else:
            self._start_loading(_Task(load=load, reply=reply))

    def _start_loading(self, task: _Task) -> None:
        """Load in a thread, so that the model in place goes on answering; while one loads, the next one waits."""
        if self._loader is not None:
            self._waiting.append(task)
            return
        self._task = task
        self._loader = threading.Thread(target=self._load, name="loader", daemon=True)
        self._loader.start()

    def _load(self) -> None:
        self._outcome = None
        try:
            if self._task.load is None:
                self._slot.load_configured()
            else:
                self._outcome = self._slot.load(self._task.load)
        finally:
            os.write(self._signalled.fileno(), b"\0")

    def _loaded(self) -> None:
        if self._loader is not None:
            self._loader.join()
        self._loader = None
        trim()
        self._server.announce()
        if self._task.reply is not None:
            self._task.reply(self._outcome or Loaded(accepted=False, why="the check broke off; see journalctl -u orderd-infer"))
        if self._waiting:
            self._start_loading(self._waiting.popleft())
