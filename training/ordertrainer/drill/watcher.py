"""The driver's side of the watcher: what orderd has said so far, and when it was heard.

Touches: the watcher program.
"""

from __future__ import annotations

import base64
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from orderd.domain.values import DecisionRecord
from orderd.v1 import decision_pb2, host_pb2
from orderd.wire.decisions import decision_from_wire
from ordertrainer.drill.errors import NotHealthyError
from ordertrainer.drill.instrument import Instrument
from ordertrainer.ground import DisposableHost

SOCKET = "run/orderd/orderd.sock"
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A decision as last heard, and when it and its end were first heard of (CLOCK_MONOTONIC, ns)."""

    record: DecisionRecord
    first_ns: int
    terminal_ns: int | None = None


class Watcher:
    """What orderd says of itself; never used to judge whether the host is healthy."""

    def __init__(self, host: DisposableHost) -> None:
        self._start(f"unix:{host.proc_root / SOCKET}")

    @classmethod
    def at(cls, address: str) -> Self:
        """Listen to orderd at an address of gRPC, such as the near end of a tunnel."""
        self = cls.__new__(cls)
        self._start(address)
        return self

    def _start(self, address: str) -> None:
        self._lock = threading.Lock()
        self._heard: dict[str, Heard] = {}
        self._status: host_pb2.GetStatusResponse | None = None
        self._serving_ns = 0
        self._trouble = "it has not answered yet"
        argv = [*("env", "GRPC_VERBOSITY=NONE", "GRPC_ENABLE_FORK_SUPPORT=0"), sys.executable, "-u", "-m"]
        self._program = Instrument("watcher", [*argv, "ordertrainer.drill.watch_program", address], self._take)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._program.close()

    def check(self) -> None:
        """Do nothing while the watcher runs.

        Raises:
            InstrumentLostError: it has ended.
        """
        self._program.check()

    @property
    def status(self) -> host_pb2.GetStatusResponse | None:
        """Return orderd's newest status, None before the first."""
        with self._lock:
            return self._status

    def decisions(self, since_ns: int) -> list[Heard]:
        """Return the decisions made at or after a moment, oldest first."""
        with self._lock:
            found = [heard for heard in self._heard.values() if heard.record.decision.at.mono_ns >= since_ns]
        return sorted(found, key=lambda heard: heard.record.decision.at.mono_ns)

    def await_serving(self, timeout_s: float) -> None:
        """Wait until orderd's health service says that it serves.

        Raises:
            NotHealthyError: it did not within the time; says what it answered last.
            InstrumentLostError: the watcher has ended.
        """
        deadline, asked = time.monotonic() + timeout_s, time.monotonic_ns()
        while time.monotonic() < deadline:
            self._program.check()
            with self._lock:
                if self._serving_ns > asked:
                    return
            time.sleep(POLL_S)
        raise NotHealthyError(f"orderd does not serve after {timeout_s:g} s: {self._trouble}")

    def _take(self, event: dict[str, Any]) -> None:
        with self._lock:
            match event["t"]:
                case "decision":
                    self._hear(decision_pb2.Decision.FromString(base64.b64decode(event["message"])), event["at"])
                case "status":
                    self._status = host_pb2.GetStatusResponse.FromString(base64.b64decode(event["message"]))
                    self._serving_ns = event["at"] if event["serving"] else 0
                    self._trouble = "; ".join(self._status.degraded) or "its health service says NOT_SERVING"
                case _:
                    self._trouble = event["why"]

    def _hear(self, message: decision_pb2.Decision, at_ns: int) -> None:
        record = decision_from_wire(message)
        before = self._heard.get(message.id)
        if before and len(before.record.steps) > len(record.steps):
            return  # the listing that follows a reconnect may be older than the stream
        self._heard[message.id] = Heard(
            record=record,
            first_ns=before.first_ns if before else at_ns,
            terminal_ns=(before and before.terminal_ns) or (at_ns if record.state.terminal else None),
        )
