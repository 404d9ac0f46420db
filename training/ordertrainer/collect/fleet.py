"""The whole of a collection: hosts, trainer, orderd on every host, workers; and all of it gone afterwards.

Touches: disposable hosts, the data directory, TCP port 7443 on the cables to the hosts.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ordertrainer import heldout
from ordertrainer.chaos import Injector, load_faults
from ordertrainer.collect.errors import CollectError, HostLost
from ordertrainer.collect.families import families
from ordertrainer.collect.ledger import Ledger
from ordertrainer.collect.plan import Planner
from ordertrainer.collect.station import Station
from ordertrainer.collect.worker import Worker
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.drill.install import SERVING_TIMEOUT_S, build_bundle, install_orderd
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import DisposableHost
from ordertrainer.serve import TrainerThread

PORT: Final = 7443
END_PATIENCE_S: Final = 10.0
POLL_S: Final = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to collect.

    Attributes:
        out: the data directory; what is there is added to.
        runs: how many runs of the split there shall be in the end.
        split: train, tune or test.
        hosts: how many hosts to break at once.
        seed: experiments follow from it and from how many runs were there at the start.
        faults: only these; all that the split may have when empty (`families`).
        minutes: stop after this long whatever is missing; no limit when None.
    """

    out: Path
    runs: int
    split: str
    hosts: int
    seed: int
    faults: Sequence[str] = ()
    minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of it.

    Attributes:
        total: runs of the split that are there now.
        written: new runs, by fault.
        discarded: runs that did not count, by fault.
        runs_per_minute: new runs per minute, all hosts together, from the first injection on.
    """

    total: int
    written: Counter[str]
    discarded: Counter[str]
    runs_per_minute: float


def collect(wanted: Wanted, say: Say) -> Summary:
    """Collect runs until there are enough; whatever interrupts it, the hosts go and complete runs stay.

    Args:
        wanted: what.
        say: is called with one line per step and run.

    Raises:
        CollectError: every host was lost before there was enough.
        GroundError, DrillError, ServeError, DatasetError: it could not begin; see their messages.
    """
    faults = families(load_faults(FAULTS_DIR).faults, heldout.load(), wanted.split, wanted.faults)
    ledger = Ledger(wanted.out, wanted.split, wanted.runs)
    if ledger.enough:
        return _summary(ledger)
    planner = Planner(random.Random(f"{wanted.seed}/{wanted.split}/{ledger.before}"), faults, wanted.split)  # noqa: S311  no secret
    stop = threading.Event()
    say("building the release bundle")
    bundle = build_bundle()
    with ExitStack() as stack:
        hosts = [stack.enter_context(DisposableHost.up(say=say)) for _ in range(wanted.hosts)]
        trainer = stack.enter_context(TrainerThread(wanted.out, [f"{host.gateway}:{PORT}" for host in hosts], insecure=True))
        stations = [stack.enter_context(_observed(host, bundle, trainer, stop, say)) for host in hosts]
        ledger = Ledger(wanted.out, wanted.split, wanted.runs)  # its pace counts from here
        workers = [Worker(station, planner, ledger, wanted.split, say) for station in stations]
        stack.callback(_end, workers, stop)
        for worker in workers:
            worker.start()
        _await(workers, wanted.minutes)
    lost = [worker.failure for worker in workers if worker.failure]
    if len(lost) == len(workers) and not ledger.enough:
        raise CollectError(f"every host was lost after {ledger.total} of {wanted.runs} runs: {lost[-1]}")
    return _summary(ledger)


@contextmanager
def _observed(host: DisposableHost, bundle: Path, trainer: TrainerThread, stop: threading.Event, say: Say) -> Iterator[Station]:
    """Have orderd observe a host, and hand out what a worker needs."""
    say(f"host {host.name}: installing orderd")
    install_orderd(host, bundle, mode="observe", trainer=f"{host.gateway}:{PORT}")
    host_id = _host_id(host)
    with (
        Prober(host) as prober,
        Injector(inventory=host.inventory, faults_dir=FAULTS_DIR, work_dir=host.directory / "chaos") as injector,
    ):
        station = Station(
            host=host,
            host_id=host_id,
            prober=prober,
            injector=injector,
            newest_ns=lambda: trainer.ingested.newest.get(host_id, 0),
            stop=stop,
        )
        station.await_samples(1)
        say(f"host {host.name}: samples arrive")
        yield station


def _host_id(host: DisposableHost) -> str:
    with Watcher(host) as watcher:
        watcher.await_serving(SERVING_TIMEOUT_S)
        deadline = time.monotonic() + SERVING_TIMEOUT_S
        while watcher.status is None:
            watcher.check()
            if time.monotonic() > deadline:
                raise HostLost(f"{host.name}: orderd serves but tells no status; see `journalctl -u orderd` there")
            time.sleep(POLL_S)
        return watcher.status.host_id


def _await(workers: Sequence[Worker], minutes: float | None) -> None:
    deadline = time.monotonic() + minutes * 60 if minutes is not None else None
    while not all(worker.join(POLL_S) for worker in workers):
        if deadline is not None and time.monotonic() > deadline:
            return


def _end(workers: Sequence[Worker], stop: threading.Event) -> None:
    stop.set()
    for worker in workers:
        worker.join(END_PATIENCE_S)


def _summary(ledger: Ledger) -> Summary:
    return Summary(
        total=ledger.total,
        written=ledger.written,
        discarded=ledger.discarded,
        runs_per_minute=ledger.runs_per_minute,
    )
