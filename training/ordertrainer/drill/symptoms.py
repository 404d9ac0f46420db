"""What a fault looks like from outside: when it landed, since when the host is healthy again, and what the report shows of it.

Touches: nothing but the prober's series. One symptom a kind of entity; the catalogue of faults decides what is broken, this file
only how an observer sees it. Nothing here depends on what the injector or orderd says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from orderd.domain.faults import EntityKind
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.series import NS_PER_S, Probe

CHECK_OF_UNIT: Final = {
    "nginx.service": "nginx",
    "redis-server.service": "redis",
    "postgresql@15-main.service": "postgres",
    "drill-worker.service": "worker",
    "dnsmasq.service": "dns",
}
LABELS: Final = {
    "nginx": "nginx answers",
    "redis": "redis answers",
    "postgres": "PostgreSQL answers",
    "worker": "worker answers",
    "queue": "queue is worked off",
    "dns": "names resolve",
}
DATA_MOUNT: Final = "/srv/data"
MOUNT_CHECK: Final = f"mount:{DATA_MOUNT}"
FULL_RATIO: Final = 0.8  # what the catalogue's disk repair calls full, and healthy below
SPINNING_CORES: Final = 0.5
LEAKED_BYTES: Final = 16 << 20
WRITING_BYTES_PER_S: Final = float(1 << 20)
ASK_PERIOD_NS: Final = NS_PER_S
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A signal worth drawing: the prober's check, how to call it, its unit, and the limit it should stay below."""

    check: str
    label: str
    unit: str
    limit: float | None = None


HOST_CURVES: Final = (
    Curve(check="host:cpu", label="host: processor", unit="cores"),
    Curve(check="host:memory", label="host: memory", unit="bytes"),
)
DISK_CURVE: Final = Curve(check=MOUNT_CHECK, label=f"{DATA_MOUNT}: used", unit="ratio", limit=FULL_RATIO)
WRITES_CURVE: Final = Curve(check="host:disk", label=f"{DATA_MOUNT}: writes", unit="bytes/s")


class Symptom(Protocol):
    """How one fault shows. `checks` are the probes it breaks, `curves` what to draw."""

    checks: Sequence[str]
    curves: Sequence[Curve]

    def landed(self, prober: Prober, after_ns: int) -> int | None:
        """Return when the fault landed, never later than it did; None while it has not."""
        ...

    def healthy(self, prober: Prober, after_ns: int, hold_s: float) -> int | None:
        """Return since when it has been gone for `hold_s`, None while it has not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFails:
    """A probe of a service or of the resolver is not answered as it should be."""

    checks: Sequence[str]
    curves: Sequence[Curve] = HOST_CURVES[:1]

    def landed(self, prober: Prober, after_ns: int) -> int | None:
        """Return the end of the last good probe before the first bad one of any check."""
        turns = [prober.series(check).turned(after_ns, lambda probe: not probe.ok) for check in self.checks]
        return min((turn for turn in turns if turn is not None), default=None)

    def healthy(self, prober: Prober, after_ns: int, hold_s: float) -> int | None:
        """Return when the last of the checks became good for good."""
        return _latest([prober.series(check).held(after_ns, hold_s) for check in self.checks])


@dataclass(frozen=True, slots=True, kw_only=True)
class MountFull:
    """A file system is used beyond what is healthy, or its user cannot write any more."""

    checks: Sequence[str] = ("worker", "queue")
    curves: Sequence[Curve] = (DISK_CURVE, WRITES_CURVE)

    def landed(self, prober: Prober, after_ns: int) -> int | None:
        """Return when the used share crossed the limit."""
        return prober.series(MOUNT_CHECK).turned(after_ns, _full)

    def healthy(self, prober: Prober, after_ns: int, hold_s: float) -> int | None:
        """Return when there was room again and its user could work."""
        space = prober.series(MOUNT_CHECK).held(after_ns, hold_s, lambda probe: probe.ok and not _full(probe))
        return _latest([space, *(prober.series(check).held(after_ns, hold_s) for check in self.checks)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRuns:
    """A process does something no process should: spin, or grow; or, as a decoy, something it should.

    It counts as landed from its start, as the kernel has it, once it was seen doing it.
    """

    name: str
    aspect: str
    curves: Sequence[Curve]
    checks: Sequence[str] = ()

    def landed(self, prober: Prober, after_ns: int) -> int | None:
        """Return when the process started, None until it was seen misbehaving."""
        seen = prober.series(f"{self.name}:{self.aspect}")
        return self._started_ns(prober) if any(map(self._misbehaves, seen.since(after_ns))) else None

    def healthy(self, prober: Prober, after_ns: int, hold_s: float) -> int | None:
        """Return when it was gone, or stopped misbehaving."""
        gone = prober.series(f"{self.name}:memory").held(after_ns, hold_s, lambda probe: not probe.ok)
        tame = prober.series(f"{self.name}:{self.aspect}").held(after_ns, hold_s, lambda probe: not self._misbehaves(probe))
        return min((moment for moment in (gone, tame) if moment is not None), default=None)

    def _misbehaves(self, probe: Probe) -> bool:
        limit = {"cpu": SPINNING_CORES, "memory": float(LEAKED_BYTES * 2), "writes": WRITING_BYTES_PER_S}[self.aspect]
        return probe.ok and (probe.value or 0.0) >= limit

    def _started_ns(self, prober: Prober) -> int | None:
        key = prober.series(f"{self.name}:key").last
        if key is None:
            return None
        return int(key.why.partition(":")[2]) * NS_PER_S // TICKS_PER_S - _suspended_ns()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Nothing a prober of services can see: whether such a fault landed, only the witness on the host can tell."""

    checks: Sequence[str] = ()
    curves: Sequence[Curve] = HOST_CURVES

    def landed(self, prober: Prober, after_ns: int) -> int | None:  # noqa: ARG002  the shape of a symptom
        """Return None."""
        return None

    def healthy(self, prober: Prober, after_ns: int, hold_s: float) -> int | None:  # noqa: ARG002
        """Return the moment asked about: what is not seen is not sick."""
        return after_ns


@dataclass(slots=True, kw_only=True)
class StillThere:
    """A fault that only the witness saw land: it is over when it stands no longer and all it could have broken is good.

    Attributes:
        before: how the fault would show if it showed at all.
        stands: asks the witness whether the fault stands now; None where it can only tell what has happened.
        now_ns: the host's clock.
    """

    before: Symptom
    stands: Callable[[], bool | None]
    now_ns: Callable[[], int]
    _asked_ns: int = 0
    _gone_ns: int | None = None

    @property
    def checks(self) -> Sequence[str]:
        """Return the probes it might break."""
        return self.before.checks

    @property
    def curves(self) -> Sequence[Curve]:
        """Return what to draw."""
        return self.before.curves

    def landed(self, prober: Prober, after_ns: int) -> int | None:
        """Return when the prober has seen it after all."""
        return self.before.landed(prober, after_ns)

    def healthy(self, prober: Prober, after_ns: int, hold_s: float) -> int | None:
        """Return when it was gone for good."""
        now = self.now_ns()
        if now - self._asked_ns >= ASK_PERIOD_NS:
            self._asked_ns = now
            self._hear(self.stands(), after_ns, now)
        calm = self.before.healthy(prober, after_ns, hold_s)
        if calm is None or self._gone_ns is None or now - self._gone_ns < hold_s * NS_PER_S:
            return None
        return max(calm, self._gone_ns)

    def _hear(self, stands: bool | None, after_ns: int, now: int) -> None:  # noqa: FBT001  what was answered
        if stands:
            self._gone_ns = None
        elif self._gone_ns is None:
            self._gone_ns = after_ns if stands is None else now


def symptom_of(fault: str, kind: EntityKind, key: str, process: str) -> Symptom:
    """Return how a fault shows.

    Args:
        fault: its name.
        kind: of what it happens to.
        key: of what it happens to.
        process: name of the process it starts, empty when it starts none.

    Returns:
        What the prober can see of it; nothing for what no probe of a service notices, and then the witness decides.
    """
    match kind:
        case EntityKind.UNIT if key in CHECK_OF_UNIT:
            check = CHECK_OF_UNIT[key]
            return CheckFails(checks=("worker", "queue") if check == "worker" else (check,))
        case EntityKind.RESOLVER:
            return CheckFails(checks=("dns",))
        case EntityKind.MOUNT if key == DATA_MOUNT:
            return MountFull()
        case EntityKind.PROCESS if process:
            return _process(fault, process)
        case _:
            return Unseen()


def _process(fault: str, name: str) -> Symptom:
    cpu = Curve(check=f"{name}:cpu", label=f"{name}: processor", unit="cores", limit=SPINNING_CORES)
    memory = Curve(check=f"{name}:memory", label=f"{name}: memory", unit="bytes")
    writes = Curve(check=f"{name}:writes", label=f"{name}: writes", unit="bytes/s")
    if fault == "memory_leak":
        return ProcessRuns(name=name, aspect="memory", curves=(memory, HOST_CURVES[1]))
    if fault == "backup_job":
        return ProcessRuns(name=name, aspect="writes", curves=(writes, WRITES_CURVE, HOST_CURVES[0]))
    return ProcessRuns(name=name, aspect="cpu", curves=(cpu, HOST_CURVES[0]))


def _full(probe: Probe) -> bool:
    return (probe.value or 0.0) >= FULL_RATIO


def _latest(moments: Sequence[int | None]) -> int | None:
    """Return the last of some moments, None when one of them has not come."""
    known = [moment for moment in moments if moment is not None]
    return max(known) if known and len(known) == len(moments) else None


def _suspended_ns() -> int:
    """Return how far the clock of process start times is ahead of the monotonic one: the time this machine slept."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
