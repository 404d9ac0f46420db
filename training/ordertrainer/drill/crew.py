"""Several hosts at work on one plan: a thread a host, a queue between them; what is done is handed over at once.

Touches: the hosts, through their stations.

A host that is lost costs one run, which goes back into the queue; the others go on. When an item has cost two hosts, or the last
host is lost, the drill ends with the last error; what was done is kept.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from orderd.errors import OrderdError
from ordertrainer.chaos import FaultContract
from ordertrainer.drill.battery import Item
from ordertrainer.drill.bench import Bench
from ordertrainer.drill.errors import DrillError, Stopped
from ordertrainer.drill.progress import Progress
from ordertrainer.drill.result import Model
from ordertrainer.drill.run import Found, run_item
from ordertrainer.drill.station import Station

LOSSES_MAX: Final = 2
POLL_S: Final = 0.1
END_PATIENCE_S: Final = 150.0
"""A host that is not ours is put right before its thread ends; that takes as long as a revert may."""
STATUS_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An item that was carried out, where, and by which orderd."""

    item: Item
    host: str
    found: Found
    model: Model
    version: str


class Queue:
    """The items that are left, handed out in order; one that cost its host comes back first."""

    def __init__(self, items: Iterator[Item], *, deadline: float | None = None) -> None:
        """Take the items.

        Args:
            items: may have no end.
            deadline: no item is handed out after this moment of `time.monotonic`.
        """
        self._items = items
        self._deadline = deadline
        self._returned: list[Item] = []
        self._losses: Counter[int] = Counter()
        self._out = 0
        self._turn = threading.Condition()

    def take(self, stop: threading.Event) -> Item | None:
        """Return the next item, None when nothing is left and none that is under way can come back."""
        with self._turn:
            while not stop.is_set():
                if self._deadline is not None and time.monotonic() > self._deadline:
                    return None
                item = self._returned.pop() if self._returned else next(self._items, None)
                if item is not None:
                    self._out += 1
                    return item
                if not self._out:
                    return None
                self._turn.wait(POLL_S)
        return None

    def done(self) -> None:
        """Hear that an item is done."""
        with self._turn:
            self._out -= 1
            self._turn.notify_all()

    def lost(self, item: Item) -> bool:
        """Take an item back; tell whether it may be tried again."""
        with self._turn:
            self._out -= 1
            self._losses[item.number] += 1
            again = self._losses[item.number] < LOSSES_MAX
            if again:
                self._returned.append(item)
            self._turn.notify_all()
        return again


@dataclass(slots=True, kw_only=True)
class Crew:
    """The threads, and what became of them.

    Attributes:
        queue: what is to be done.
        faults: the contracts.
        progress: hears of every step.
        done: is called with every item that was carried out, on the host's thread, one at a time.
        total: how many items there are in all, None for a plan without an end.
    """

    queue: Queue
    faults: Mapping[str, FaultContract]
    progress: Progress
    done: Callable[[Done], None]
    total: int | None
    stop: threading.Event = field(default_factory=threading.Event)
    failures: dict[str, BaseException] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _given_up: bool = False

    def work(self, stations: Sequence[Station]) -> None:
        """Carry out the plan.

        Raises:
            OrderdError: the last host was lost, or an item cost two; the drill cannot go on.
        """
        # Not with signals held back, as other threads are: what they start would inherit that, and never hear its own end.
        self._threads = [
            threading.Thread(target=self._work, args=(station,), name=f"drill-{station.name}", daemon=True)
            for station in stations
        ]
        for thread in self._threads:
            thread.start()
        while any(thread.is_alive() for thread in self._threads) and not self.stop.is_set():
            time.sleep(POLL_S)
        self.end()
        fatal = next((error for error in self.failures.values() if not isinstance(error, OrderdError)), None)
        if fatal:
            raise fatal
        if self.failures and (len(self.failures) == len(stations) or self._given_up):
            raise list(self.failures.values())[-1]

    def end(self) -> None:
        """Have every thread put down what it is at, and wait for it."""
        self.stop.set()
        deadline = time.monotonic() + END_PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, station: Station) -> None:
        try:
            with station.opened(self.stop, lambda text: self.progress.begins(text, station.name)) as bench:
                while (item := self.queue.take(self.stop)) is not None:
                    self._one(station, bench, item)
            self.progress.phase("done", station.name)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001  a thread's end is its host's; the main thread decides what it means
            with self._turn:
                self.failures[station.name] = error
            self.progress.step(f"{station.name} is lost: {error}")

    def _one(self, station: Station, bench: Bench, item: Item) -> None:
        self.progress.run_begins(item.number, self.total, item.name, station.name)
        contracts = [self.faults[experiment.fault] for experiment in item.experiments]
        try:
            found = run_item(bench, item, contracts, lambda text: self.progress.phase(text, station.name))
            model, version = _orderd(bench)
            with self._turn:
                self.done(Done(item=item, host=station.name, found=found, model=model, version=version))
        except BaseException as error:
            if not self.queue.lost(item) and isinstance(error, OrderdError):
                self._given_up = True
                self.stop.set()
            raise
        self.queue.done()
        for run, _ in found:
            self.progress.run_ends(run, station.name)


def _orderd(bench: Bench) -> tuple[Model, str]:
    """Return the model orderd has loaded and its version; empty where orderd is not installed.

    Raises:
        DrillError: it never said.
    """
    if bench.watcher is None:
        return Model(), "none"
    deadline = time.monotonic() + STATUS_TIMEOUT_S
    while (status := bench.watcher.status) is None:
        if time.monotonic() > deadline:
            raise DrillError("orderd never said its status")
        with suppress(Stopped):
            bench.pause(POLL_S)
    return Model(version=status.model.version, sha256=status.model.sha256, provider=status.model.provider), status.version
