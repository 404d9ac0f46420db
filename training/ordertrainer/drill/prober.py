"""The driver's side of the prober: starts it in the host's network namespace and keeps what it saw.

Touches: nsenter and the prober program. On a host that is not a clone of this machine nobody can enter a namespace: there the
same program runs on the host itself, over SSH, beside orderd and without a word from it.
"""

from __future__ import annotations

import base64
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ordertrainer.drill.instrument import Instrument
from ordertrainer.drill.series import Probe, Series
from ordertrainer.ground import DisposableHost

PROGRAM = Path(__file__).with_name("probe_program.py")
LOADER = "import base64, sys, zlib; exec(zlib.decompress(base64.b64decode(sys.argv[1])))"
CPU_FILES = (("cpuacct", "cpuacct.usage"), ("cpu", "cpu.stat"))
MEMORY_FILES = (("memory", "memory.usage_in_bytes"), ("memory", "memory.current"))


class Prober:
    """What an observer outside orderd knows about a host, as one `Series` a check."""

    def __init__(self, host: DisposableHost) -> None:
        enter = ["nsenter", "--target", str(host.init_pid), "--net"]
        config = {"root": str(host.proc_root), "cpu": _group_file(host, CPU_FILES), "memory": _group_file(host, MEMORY_FILES)}
        self._start([*enter, sys.executable, "-S", "-E", "-u", str(PROGRAM)], config)

    @classmethod
    def over(cls, shell: Callable[[Sequence[str]], list[str]]) -> Self:
        """Start the program on a host that is reached over a shell.

        Args:
            shell: turns a command of the host into one of this machine.
        """
        self = cls.__new__(cls)
        text = base64.b64encode(zlib.compress(PROGRAM.read_bytes())).decode()
        self._start(shell(["/usr/bin/python3", "-S", "-E", "-u", "-c", LOADER, text]), {"root": "/"})
        return self

    def _start(self, argv: Sequence[str], config: dict[str, str]) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, list[Probe]] = {}
        self._program = Instrument("prober", argv, self._take)
        self._program.order(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._program.close()

    def check(self) -> None:
        """Do nothing while the prober runs.

        Raises:
            InstrumentLostError: it has ended.
        """
        self._program.check()

    def expect(self, process: str) -> None:
        """Measure the next process of that name that appears, as `NAME:memory`, `NAME:cpu` and `NAME:writes`, until `forget`."""
        self._program.order({"expect": process})

    def forget(self, process: str) -> None:
        """Stop measuring a process, and forget what was measured of it."""
        self._program.order({"forget": process})
        with self._lock:
            self._series = {name: probes for name, probes in self._series.items() if not name.startswith(f"{process}:")}

    def series(self, check: str) -> Series:
        """Return a copy of what a check has seen so far."""
        with self._lock:
            return Series(self._series.get(check, ()))

    def names(self) -> list[str]:
        """Return the checks that have seen something, sorted."""
        with self._lock:
            return sorted(self._series)

    def forget_before(self, mono_ns: int) -> None:
        """Drop probes that ended before a moment; a drill keeps no more than the run it is in."""
        with self._lock:
            self._series = {name: [p for p in probes if p.end_ns >= mono_ns] for name, probes in self._series.items()}

    def all_held(self, checks: Iterable[str], after_ns: int, hold_s: float) -> bool:
        """Tell whether every one of some checks has held for a time since a moment."""
        return all(self.series(check).held(after_ns, hold_s) is not None for check in checks)

    def _take(self, record: dict[str, Any]) -> None:
        probe = Probe(start_ns=record["s"], end_ns=record["e"], ok=record["ok"], value=record["v"], why=record["w"])
        with self._lock:
            self._series.setdefault(record["c"], []).append(probe)


def _group_file(host: DisposableHost, places: Iterable[tuple[str, str]]) -> str:
    """Return the first accounting file this machine's control groups have."""
    files = [host.groups.directory(controller) / name for controller, name in places]
    return str(next(file for file in files if file.exists()))
