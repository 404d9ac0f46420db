"""A place where items are carried out: a disposable clone, or a host of an inventory, each with its own instruments.

Touches: the host, through what it opens; nothing of that is left open afterwards.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from ordertrainer.chaos import Injector
from ordertrainer.drill import battery, install
from ordertrainer.drill.bench import ALL_CHECKS, Bench
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.remote import RemoteHost
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import DisposableHost

SERVING_TIMEOUT_S: Final = 30.0
SETTLING_S: Final = 4.0
HELD_S: Final = 1.0

Say = Callable[[str], None]


class Station(Protocol):
    """A host and how to get to work on it."""

    @property
    def name(self) -> str:
        """Return the host's name."""
        ...

    def opened(self, stop: threading.Event, say: Say) -> contextmanager[Bench]:  # type: ignore[valid-type]
        """Make the host ready and yield what a run works with."""
        ...


@dataclass(slots=True, kw_only=True)
class CloneStation:
    """A disposable clone; orderd is installed into it first.

    Attributes:
        host: is up.
        bundle: to install.
        variables: further ones of the fleet's playbook.
        install_s: how long the installation took, 0 before.
    """

    host: DisposableHost
    bundle: Path
    variables: Mapping[str, str | bool] = field(default_factory=lambda: MappingProxyType({}))
    install_s: float = 0.0

    @property
    def name(self) -> str:
        """Return the host's name."""
        return self.host.name

    @contextmanager
    def opened(self, stop: threading.Event, say: Say) -> Iterator[Bench]:
        """Install orderd and start the instruments.

        Raises:
            DrillError: orderd cannot be installed, or does not serve.
        """
        say("installing orderd with playbooks/fleet/install.yml")
        since = time.monotonic()
        install.install_orderd(self.host, self.bundle, variables=self.variables)
        self.install_s = round(time.monotonic() - since, 2)
        with ExitStack() as stack:
            prober = stack.enter_context(Prober(self.host))
            watcher = stack.enter_context(Watcher(self.host))
            work_dir = self.host.directory / "injections"
            injector = stack.enter_context(Injector(self.host.inventory, battery.FAULTS_DIR, work_dir))
            watcher.await_serving(SERVING_TIMEOUT_S)
            yield Bench(host=self.host, prober=prober, watcher=watcher, injector=injector, stop=stop)


@dataclass(slots=True, kw_only=True)
class InventoryStation:
    """A host of an inventory, as it is: nothing is installed there.

    Attributes:
        host: may be broken, it said.
        orderd: runs there.
    """

    host: RemoteHost
    orderd: bool

    @property
    def name(self) -> str:
        """Return the host's name."""
        return self.host.name

    @contextmanager
    def opened(self, stop: threading.Event, say: Say) -> Iterator[Bench]:
        """Start the instruments over SSH.

        Raises:
            DrillError: the host cannot be reached, or orderd does not serve.
        """
        say("starting the instruments over SSH")
        with ExitStack() as stack:
            stack.callback(_hang_up, self.host)
            prober = stack.enter_context(Prober.over(self.host.command))
            watcher = stack.enter_context(Watcher.at(stack.enter_context(self.host.tunnel()))) if self.orderd else None
            work_dir = self.host.directory / "injections"
            injector = stack.enter_context(Injector(self.host.inventory, battery.FAULTS_DIR, work_dir))
            if watcher:
                watcher.await_serving(SERVING_TIMEOUT_S)
            offset_ns = self.host.clock_offset_ns()
            yield Bench(
                host=self.host,
                prober=prober,
                watcher=watcher,
                injector=injector,
                checks=_usual(prober, offset_ns, stop),
                offset_ns=offset_ns,
                disposable=False,
                watched=True,
                stop=stop,
            )


def _usual(prober: Prober, offset_ns: int, stop: threading.Event) -> tuple[str, ...]:
    """Return the probes of services that this host has: those that are good before anything was broken."""
    began_ns = time.monotonic_ns() + offset_ns
    stop.wait(SETTLING_S)
    prober.check()
    return tuple(check for check in ALL_CHECKS if prober.series(check).held(began_ns, HELD_S) is not None)


def _hang_up(host: RemoteHost) -> None:
    """End the connection that would stay open for a while."""
    argv = [host.ssh[0], "-O", "exit", *host.ssh[1:]]
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
