"""One disposable host to prove things on, and the instruments for it. Reused for as long as nothing is left on it.

Touches: the host; installs orderd where a repair is going to be proven. Its mode there is `approve`: orderd watches, decides and
asks, nothing is repaired by itself, and what a person orders with `orderctl run` goes the way every repair goes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ordertrainer.chaos import Experiment, Injector
from ordertrainer.drill import snapshot
from ordertrainer.drill.install import SERVING_TIMEOUT_S, install_orderd
from ordertrainer.drill.snapshot import Snapshot
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import DisposableHost
from ordertrainer.prove.errors import ProveError, Stopped

POLL_S: Final = 0.05
LOOK_AGAIN_S: Final = 0.3
SETTLED_WITHIN_S: Final = 15.0
CLEAN_WITHIN_S: Final = 8.0
MODE: Final = "approve"
LANDED_FILE: Final = "var/lib/orderd-chaos/{id}/landed.json"


@dataclass(slots=True, kw_only=True)
class Bench:
    """What an item is proven with.

    Attributes:
        host: is up.
        injector: warm, for this host alone.
        watcher: hears what orderd decides; None where it is not installed.
        clean: the host as it is when nothing is wrong.
        stop: is set when the proving shall end.
    """

    host: DisposableHost
    injector: Injector
    watcher: Watcher | None
    clean: Snapshot
    stop: threading.Event

    def take(self) -> Snapshot:
        """Return the host's inventory."""
        return snapshot.take(self.host)

    def until(self, holds: Callable[[], bool], within_s: float, poll_s: float = POLL_S) -> bool:
        """Wait until something holds; tell whether it did in time.

        Raises:
            Stopped: the proving shall end.
        """
        deadline = time.monotonic() + within_s
        while not holds():
            if self.stop.wait(poll_s):
                raise Stopped("stopped")
            if time.monotonic() > deadline:
                return False
        return True

    def landed_ns(self, experiment: Experiment, within_s: float) -> int:
        """Return when the witness saw the fault (CLOCK_MONOTONIC), 0 when it has not in time.

        It has written that down on the host. A playbook that asks it would take longer to start than most faults to land.
        """
        file = self.host.proc_root / LANDED_FILE.format(id=experiment.id)
        return int(json.loads(file.read_bytes())["monotonic_ns"]) if self.until(file.exists, within_s) else 0

    def cleaned(self) -> Snapshot:
        """Return the inventory once nothing differs from the clean host, or after a while: what passes is no residue."""
        found = [self.take()]

        def clean() -> bool:
            if snapshot.residue(self.clean, found[0]):
                found[0] = self.take()
            return not snapshot.residue(self.clean, found[0])

        self.until(clean, CLEAN_WITHIN_S, LOOK_AGAIN_S)
        return found[0]


@contextmanager
def bench(*, faults_dir: Path, bundle: Path | None, stop: threading.Event, say: Callable[[str], None]) -> Iterator[Bench]:
    """Boot a host, take it down in the end.

    Args:
        faults_dir: the catalogue of faults.
        bundle: the release to install; None leaves orderd out.
        stop: is set when the proving shall end.
        say: is called with one line a step.

    Raises:
        GroundError, DrillError: it could not be had.
        ProveError: it does not come to rest.
    """
    with ExitStack() as stack:
        host = stack.enter_context(DisposableHost.up(say=say))
        if bundle:
            say(f"host {host.name}: installing orderd")
            install_orderd(host, bundle, mode=MODE)
        injector = stack.enter_context(Injector(host.inventory, faults_dir, host.directory / "chaos"))
        watcher = stack.enter_context(Watcher(host)) if bundle else None
        if watcher:
            watcher.await_serving(SERVING_TIMEOUT_S)
        found = Bench(host=host, injector=injector, watcher=watcher, clean=snapshot.take(host), stop=stop)
        _come_to_rest(found)
        say(f"host {host.name}: steady")
        yield found


def _come_to_rest(found: Bench) -> None:
    """Wait until two inventories in a row are the same and every service that is wanted runs."""
    last = [found.clean]

    def resting() -> bool:
        before, last[0] = last[0], found.take()
        return not snapshot.residue(before, last[0]) and not _starting(last[0])

    if not found.until(resting, SETTLED_WITHIN_S, LOOK_AGAIN_S):
        raise ProveError(f"host {found.host.name} does not come to rest: {'; '.join(_starting(last[0])) or 'it changes'}")
    found.clean = last[0]


def _starting(seen: Snapshot) -> list[str]:
    """Return the units that are on their way somewhere."""
    return sorted(
        f"{name} is {unit.ActiveState}"
        for name, unit in seen.units.items()
        if unit.ActiveState in {"activating", "deactivating", "reloading"} and not snapshot.passes(name)
    )
