"""The whole of a proving: hosts, a thread for each, items from one queue, proofs kept as they come, everything down after.

Touches: disposable hosts and the file of proofs. A host is used again as long as nothing is left on it; one that is not clean any
more is taken down and another one booted. Interrupted, workers end at the next step, hosts go and results stay.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec

from orderd.errors import OrderdError
from ordertrainer.drill.install import ROOT, build_bundle
from ordertrainer.ground.signals import HELD
from ordertrainer.prove import items as on_host
from ordertrainer.prove.bench import Bench, bench
from ordertrainer.prove.errors import ProveError, Stopped
from ordertrainer.prove.items import Proved
from ordertrainer.prove.plan import Item
from ordertrainer.prove.result import CureProof, FaultProof, Keeper

POLL_S: Final = 0.2
HOSTS_LOST_MAX: Final = 3
"""A worker that cannot get a host this often in a row gives up."""
PARALLEL_MAX: Final = 16


class Progress(Protocol):
    """Somebody who wants to know how the proving gets on. Called by several threads."""

    def step(self, text: str) -> None:
        """Hear that a host is being prepared, or what else goes on beside the items."""

    def phase(self, worker: int, item: Item, text: str) -> None:
        """Hear what a worker does now."""

    def done(self, worker: int, item: Item, proof: FaultProof | CureProof) -> None:
        """Hear what came of an item."""


@dataclass(slots=True, kw_only=True)
class Proving:
    """What the workers share.

    Attributes:
        faults_dir: the catalogue of faults.
        todo: what is left to prove.
        keeper: takes the proofs.
        progress: is told.
        commit: of the checkout, written beside each proof.
        bundle: the release to install; None leaves orderd out.
        stop: is set when the proving shall end.
        lost: items during which a host was lost, once; the second time it is the item's doing.
    """

    faults_dir: Path
    todo: deque[Item]
    keeper: Keeper
    progress: Progress
    commit: str
    bundle: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    lost: set[str] = field(default_factory=set[str])

    def next(self) -> Item | None:
        """Return the next item, None when there is none."""
        try:
            return None if self.stop.is_set() else self.todo.popleft()
        except IndexError:
            return None

    def keep(self, worker: int, item: Item, proof: FaultProof | CureProof) -> None:
        """Keep a proof and tell of it."""
        proof = msgspec.structs.replace(proof, commit=self.commit)
        self.keeper.add(proof, item.repair.name if item.repair else None)
        self.progress.done(worker, item, proof)


def prove_all(
    chosen: Sequence[Item], keeper: Keeper, progress: Progress, *, faults_dir: Path, parallel: int, bare: bool = False
) -> None:
    """Prove items on disposable hosts, several at once.

    Args:
        chosen: what to prove, in order.
        keeper: takes the proofs.
        progress: is told.
        faults_dir: the catalogue of faults.
        parallel: how many hosts; each has an injector of its own.
        bare: leave orderd out of the hosts; what needs it is void then.

    Raises:
        ProveError: no host could be kept up.
        GroundError, DrillError: this machine cannot hold a host, or the release could not be built.
    """
    if not chosen:
        return
    proving = Proving(
        faults_dir=faults_dir, todo=deque(_longest_first(chosen)), keeper=keeper, progress=progress, commit=commit()
    )
    if not bare and any(item.needs_orderd for item in chosen):
        progress.step("building the release bundle")
        proving.bundle = build_bundle()
    workers = [Worker(proving, number) for number in range(min(parallel, len(chosen)))]
    try:
        for worker in workers:
            worker.start()
        while not all(worker.join(POLL_S) for worker in workers):
            continue
    finally:
        proving.stop.set()
        for worker in workers:
            worker.join(None)
    lost = [worker.failure for worker in workers if worker.failure]
    if lost and proving.todo:
        raise ProveError(f"{len(proving.todo)} items were not tried: {lost[-1]}")


def _longest_first(chosen: Iterable[Item]) -> list[Item]:
    """Put what takes long to land first, faults before cures, so that no host waits for the other in the end."""
    return sorted(chosen, key=lambda item: (item.repair is not None, -item.fault.landed_within_s))


class Worker:
    """One host at a time, and a thread that proves items on it."""

    def __init__(self, proving: Proving, number: int) -> None:
        """Prepare; `start` begins."""
        self._proving = proving
        self._number = number
        self._thread = threading.Thread(target=self._work, name=f"prove-{number}", daemon=True)
        self._lost = 0
        self.failure = ""

    def start(self) -> None:
        """Begin; signals stay with the main thread, which decides when to end."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def join(self, timeout_s: float | None) -> bool:
        """Wait for the end; tell whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        item: Item | None = None
        with contextlib.suppress(Stopped):
            while self._lost < HOSTS_LOST_MAX and (item := item or self._proving.next()):
                try:
                    item = self._use_one_host(item)
                except Stopped:
                    raise
                except (OrderdError, OSError, subprocess.SubprocessError) as error:
                    self._lost += 1
                    self.failure = str(error)
                    self._proving.progress.step(f"no host: {error}")
        if item and not self._proving.stop.is_set():
            self._proving.todo.append(item)

    def _use_one_host(self, item: Item) -> Item | None:
        """Prove items until the host is not clean any more; return the item that comes next, if any."""
        proving, left = self._proving, item
        with bench(faults_dir=proving.faults_dir, bundle=proving.bundle, stop=proving.stop, say=proving.progress.step) as place:
            self._lost, self.failure = 0, ""
            while left:
                proved = self._one(place, left)
                if proved is None:
                    return left
                proving.keep(self._number, left, proved.proof)
                left = proving.next()
                if not proved.clean:
                    proving.progress.step(f"host {place.host.name} is not clean any more: it goes")
                    return left
        return None

    def _one(self, place: Bench, item: Item) -> Proved | None:
        """Prove one item; None when the host was lost, for reasons that may have nothing to do with it."""
        try:
            return on_host.prove(place, item, lambda text: self._proving.progress.phase(self._number, item, text))
        except Stopped:
            raise
        except (OrderdError, OSError, subprocess.SubprocessError) as error:
            if item.name in self._proving.lost:
                return Proved(proof=_lost(item, str(error)), clean=False)
            self._proving.lost.add(item.name)
            self._proving.progress.step(f"{item.name}: the host was lost ({error}); once more on another one")
            return None


def _lost(item: Item, why: str) -> FaultProof | CureProof:
    """Return the proof of an item on which the host was lost."""
    words = f"the host was lost: {why}"
    if item.repair:
        return CureProof(fault=item.fault.name, why=words, digest=item.digest, target=item.experiment.target)
    return FaultProof(name=item.fault.name, why=words, digest=item.digest, target=item.experiment.target)


def commit() -> str:
    """Return the commit of the checkout, with ``+`` when something in it is not committed; empty without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
