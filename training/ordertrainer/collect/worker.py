"""Runs one host's share of the plan in a thread, until there is enough, somebody stops it, or the host is lost.

Touches: one disposable host, through its station; the ledger.
"""

import signal
import threading
from collections.abc import Callable
from typing import Final

from ordertrainer.chaos import Void
from ordertrainer.collect.errors import CollectError, Discarded, HostLost, Interrupted
from ordertrainer.collect.ledger import Ledger
from ordertrainer.collect.plan import Planner, Task
from ordertrainer.collect.run import carry_out
from ordertrainer.collect.station import Station
from ordertrainer.dataset import Label
from ordertrainer.drill.errors import DrillError
from ordertrainer.ground import GroundError
from ordertrainer.ground.signals import HELD

DISCARDED_IN_A_ROW_MAX: Final = 4


class Worker:
    """One host at work."""

    def __init__(self, station: Station, planner: Planner, ledger: Ledger, split: str, say: Callable[[str], None]) -> None:
        """Prepare; `start` begins."""
        self._station = station
        self._planner = planner
        self._ledger = ledger
        self._split = split
        self._say = say
        self._runs = 0
        self._steady = False
        self._thread = threading.Thread(target=self._work, name=f"collect-{station.host.name}", daemon=True)
        self.failure: str = ""

    def start(self) -> None:
        """Begin; signals stay with the main thread, which has the cleaning up to do."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; tell whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self._work_until_enough()
        except Interrupted:
            return
        except (CollectError, DrillError, GroundError) as error:
            self.failure = str(error)
            self._say(f"{self._station.host.name}: given up: {error}")

    def _work_until_enough(self) -> None:
        in_a_row = 0
        while not self._ledger.enough and not self._station.stop.is_set():
            in_a_row = 0 if self._one() else in_a_row + 1
            if in_a_row >= DISCARDED_IN_A_ROW_MAX:
                raise HostLost(f"{in_a_row} runs in a row did not count")

    def _one(self) -> bool:
        """Carry out one task; tell whether the host is in order."""
        task = self._planner.next()
        self._runs += 1
        steady, self._steady = self._steady, False
        run_id = f"{self._station.host.name}-{self._runs:04d}-{task.name}"
        try:
            label = carry_out(self._station, task, run_id=run_id, split=self._split, steady=steady)
        except Void as reason:
            self._planner.drop(task.name)
            self._say(f"{self._station.host.name}: {task.name} is left out: {reason}")
            return True
        except Discarded as reason:
            self._ledger.discard(task.name)
            self._say(f"{self._station.host.name}: {task.name} does not count: {reason}")
            return False
        self._steady = True
        self._ledger.write(label)
        self._say(self._line(task, label))
        return True

    def _line(self, task: Task, label: Label) -> str:
        ledger = self._ledger
        shown_s = (label.ended_mono_ns - label.landed_mono_ns) / 1e9 or task.symptoms_s
        return (
            f"{ledger.total:4d}/{ledger.wanted}  {self._station.host.name}  {task.name:20} {label.target:28} "
            f"{shown_s:5.1f} s   {ledger.runs_per_minute:4.1f} runs/min"
        )
