"""What a run works with: a host, the instruments that watch it, the injector that breaks it.

Touches: the host, through its parts.

Times are the host's own CLOCK_MONOTONIC, because prober, witness and orderd stamp with it. A disposable host shares this
machine's; of another one the offset is measured once, when its bench is set up.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from ordertrainer.chaos import Experiment, Injector
from ordertrainer.drill.errors import Stopped
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.symptoms import LABELS
from ordertrainer.drill.watcher import Heard, Watcher
from ordertrainer.ground import GroundError

ALL_CHECKS: Final = tuple(LABELS)
POLL_S: Final = 0.2
ASK_TIMEOUT_S: Final = 10.0

ASK: Final = """
home="/var/lib/orderd-chaos/$1"
[ -e "$home/baseline.json" ] || { echo '{"stands": false}'; exit 0; }
exec /usr/bin/python3 -BEs "$home" stands
"""
WHY: Final = """
[ ! -e "/var/lib/orderd-chaos/$1/baseline.json" ] || exit 0
journalctl --no-pager -o cat -n 20 -u "orderd-chaos-$1-guard.service"
"""
GUARD_SAID: Final = "guard: "


class Host(Protocol):
    """A machine that programs can be run on as root."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    def exec(
        self, argv: Sequence[str], *, timeout_s: float = 30.0, stdin: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there, see `ordertrainer.ground.DisposableHost.exec`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a run works with.

    Attributes:
        host: what is broken.
        prober: measures it from outside orderd.
        watcher: hears what orderd says; None where orderd is not installed, and then nothing is ever repaired.
        injector: breaks it.
        checks: the probes that count; those of services that the host has.
        offset_ns: the host's clock minus this machine's.
        disposable: it goes away afterwards, with everything that is wrong with it.
        watched: a guard on the host may take an experiment back.
        stop: is set when the drill shall end.
    """

    host: Host
    prober: Prober
    watcher: Watcher | None
    injector: Injector
    checks: Sequence[str] = ALL_CHECKS
    offset_ns: int = 0
    disposable: bool = True
    watched: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def now_ns(self) -> int:
        """Return the host's CLOCK_MONOTONIC."""
        return time.monotonic_ns() + self.offset_ns

    def heard(self, since_ns: int) -> list[Heard]:
        """Return what orderd decided since a moment."""
        return self.watcher.decisions(since_ns) if self.watcher else []

    def check(self) -> None:
        """Do nothing while the instruments work and nobody wants the end.

        Raises:
            InstrumentLostError: one has ended.
            Stopped: the drill shall end.
        """
        if self.stop.is_set():
            raise Stopped
        self.prober.check()
        if self.watcher:
            self.watcher.check()

    def pause(self, seconds: float) -> None:
        """Let time pass, see `check`."""
        end = time.monotonic() + seconds
        self.check()
        while (left := end - time.monotonic()) > 0:
            self.stop.wait(min(left, POLL_S))
            self.check()

    def stands(self, experiment: Experiment) -> bool | None:
        """Ask the witness on the host whether a fault stands now; None where it can only tell what has happened.

        A host that cannot answer is no healthy one: the fault is taken to stand.
        """
        answer = self._asked(ASK, experiment)
        return answer.get("stands", True) if isinstance(answer, dict) else True

    def witnessed(self, experiment: Experiment) -> bool:
        """Tell whether the witness has noted that a fault landed."""
        with suppress(GroundError):
            argv = ["test", "-e", f"/var/lib/orderd-chaos/{experiment.id}/landed.json"]
            return self.host.exec(argv, timeout_s=ASK_TIMEOUT_S).returncode == 0
        return False

    def guarded(self, experiment: Experiment) -> str:
        """Return why the guard on the host has taken an experiment back, empty when it has not."""
        if not self.watched:
            return ""
        with suppress(GroundError):
            done = self.host.exec(["/bin/sh", "-euc", WHY, "sh", experiment.id], timeout_s=ASK_TIMEOUT_S)
            said = [line.removeprefix(GUARD_SAID) for line in done.stdout.splitlines() if line.startswith(GUARD_SAID)]
            return said[-1] if said else ""
        return ""

    def _asked(self, script: str, experiment: Experiment) -> Any:
        with suppress(GroundError, msgspec.DecodeError):
            done = self.host.exec(["/bin/sh", "-euc", script, "sh", experiment.id], timeout_s=ASK_TIMEOUT_S)
            return msgspec.json.decode(done.stdout)
        return None
