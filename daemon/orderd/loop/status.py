"""What orderd says of itself and of the host when asked: everything that does not work by name. Pure; reads what is in memory."""

import math
import socket
from collections.abc import Callable
from typing import Protocol

import orderd
from orderd.catalogue import Catalogue
from orderd.domain.clock import Instant
from orderd.domain.faults import EntityKind
from orderd.domain.status import HostStatus
from orderd.loop.loop import Loop
from orderd.loop.parts import Parts


class UplinkStatus(Protocol):
    """See orderd.telemetry.Uplink."""

    @property
    def sent(self) -> int:
        """Samples the trainer has acknowledged."""
        ...

    @property
    def waiting(self) -> int:
        """Samples that wait for the trainer."""
        ...

    @property
    def problem(self) -> str:
        """What keeps them waiting; empty when nothing does."""
        ...


class Status:
    """Puts together what is known of the host and of orderd."""

    def __init__(
        self,
        *,
        loop: Loop,
        parts: Parts,
        catalogue: Catalogue,
        uplink: UplinkStatus,
        host_id: str,
        hostname: Callable[[], str] = socket.gethostname,
    ) -> None:
        """Take what is asked about."""
        self._loop = loop
        self._parts = parts
        self._catalogue = catalogue
        self._uplink = uplink
        self._host_id = host_id
        self._hostname = hostname
        self._started = parts.clock.now()

    def now(self) -> HostStatus:
        """Return the host as of now."""
        now, memory, parts = self._parts.clock.now(), self._loop.memory, self._parts
        return HostStatus(
            at=now,
            version=orderd.__version__,
            host_id=self._host_id,
            hostname=self._hostname(),
            mode=parts.config.decision.mode,
            uptime_s=now.seconds_since(self._started),
            model=parts.inference.info,
            newest=self._loop.newest,
            diagnoses=tuple(o.chosen for o in self._loop.opinions),
            holds=memory.holds(now),
            degraded=self.degraded(),
            repairs=tuple(sorted(self._catalogue.repairs)),
            samples=self._loop.samples,
            open_incidents=self._loop.open_incidents,
            telemetry_sent=self._uplink.sent,
            telemetry_waiting=self._uplink.waiting,
            pause=memory.paused(now),
            denials=memory.denials(),
            approvals=memory.approvals(now),
            open_tickets=sum(1 for ticket in memory.tickets() if ticket.closed is None),
            reasons=memory.reasons,
            changes=tuple(self._changes(now)),
            budget=parts.budget.describe(),
            identity=parts.identity.name,
            identity_remaining_s=parts.identity.remaining_s,
        )

    def degraded(self) -> tuple[str, ...]:
        """Return what does not work at the moment, one sentence each."""
        parts, loop = self._parts, self._loop
        found = [f"repair {name} is refused: {why}" for name, why in self._catalogue.refused.items()]
        if loop.journal_error:
            found.append(f"no repairs: {loop.journal_error}")
        if loop.book.lost:
            found.append(f"{loop.book.lost} steps of decisions could not be recorded and are lost")
        found += loop.vitals.problems()
        model = parts.inference.info
        if parts.config.inference.enabled and not model.loaded:
            found.append(f"rules decide alone: {model.why}")
        elif model.loaded and model.why:
            found.append(f"the installed model is refused: {model.why}")
        if self._uplink.problem:
            found.append(f"telemetry waits: {self._uplink.problem}")
        found += [problem for problem in (parts.identity.problem, parts.notifier.problem) if problem]
        if loop.newest is not None:
            units = [row for row in loop.newest.entities if row.entity.kind is EntityKind.UNIT]
            if units and all(math.isnan(row.signal("unit_active_ratio")) for row in units):
                found.append("no unit can be seen: systemd does not answer")
            found += [f"collector {name} fails: its signals are missing" for name in loop.newest.failed_collectors]
        return tuple(found)

    def _changes(self, now: Instant) -> list[str]:
        kept = {hold.entity for hold in self._loop.memory.holds(now) if hold.seen}  # told among the holds
        found = [c for c in self._loop.hands.current() if c.until > now.mono_ns and (c.entity is None or c.entity not in kept)]
        return [f"{change.who}: {change.what}{f' ({change.entity})' if change.entity else ''}" for change in found]
