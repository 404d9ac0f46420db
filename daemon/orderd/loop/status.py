"""What the running daemon tells those who ask, and what people tell it: the loop seen from the gRPC interface."""

import socket
from collections.abc import Callable

import orderd
from orderd.catalogue import Catalogue
from orderd.config import Config
from orderd.domain.clock import Clock
from orderd.domain.faults import Entity
from orderd.domain.status import HostStatus
from orderd.domain.values import Hold
from orderd.loop.loop import Loop
from orderd.loop.parts import InferencePart
from orderd.telemetry import Uplink


class LoopView:
    """Answers for the loop; every answer is computed from what is in memory, at once."""

    def __init__(
        self,
        *,
        loop: Loop,
        config: Config,
        catalogue: Catalogue,
        inference: InferencePart,
        uplink: Uplink,
        host_id: str,
        clock: Clock,
        hostname: Callable[[], str] = socket.gethostname,
    ) -> None:
        """Take what is asked about."""
        self._loop = loop
        self._config = config
        self._catalogue = catalogue
        self._inference = inference
        self._uplink = uplink
        self._host_id = host_id
        self._clock = clock
        self._hostname = hostname
        self._started = clock.now()

    def status(self) -> HostStatus:
        """Return the host as of now."""
        now = self._clock.now()
        return HostStatus(
            at=now,
            version=orderd.__version__,
            host_id=self._host_id,
            hostname=self._hostname(),
            mode=self._config.decision.mode,
            uptime_s=now.seconds_since(self._started),
            model=self._inference.info,
            newest=self._loop.newest,
            diagnoses=tuple(o.chosen for o in self._loop.opinions),
            holds=self.holds(),
            degraded=tuple(self._degraded()),
            repairs=tuple(sorted(self._catalogue.repairs)),
            samples=self._loop.samples,
            open_incidents=self._loop.open_incidents,
            telemetry_sent=self._uplink.sent,
            telemetry_waiting=self._uplink.waiting,
        )

    def hold(self, entity: Entity, duration_s: float, why: str, by: str) -> Hold:
        """Leave an entity alone for a while.

        Raises:
            ValueError: longer than ``decision.hold_max_s``.
            LookupError: orderd does not watch this entity.
        """
        limit = self._config.decision.hold_max_s
        if duration_s > limit:
            raise ValueError(f"at most {limit:g} s (decision.hold_max_s)")
        newest = self._loop.newest
        if newest is not None and newest.row(entity) is None:
            raise LookupError(f"{entity} is not watched; `orderctl status` lists what is")
        now = self._clock.now()
        hold = Hold(entity=entity, why=why, by=by, at=now, until=now.mono_ns + int(duration_s * 1e9))
        self._loop.holds.put(hold)
        return hold

    def release(self, entity: Entity) -> bool:
        """End a hold early; return False when there was none."""
        return self._loop.holds.release(entity)

    def holds(self) -> tuple[Hold, ...]:
        """Return the holds that have not ended."""
        return self._loop.holds.in_force(self._clock.now())

    def _degraded(self) -> list[str]:
        found = [f"repair {name} is refused: {why}" for name, why in self._catalogue.refused.items()]
        if self._loop.journal_error:
            found.append(f"no repairs: {self._loop.journal_error}")
        if self._config.inference.enabled and not self._inference.info.loaded:
            found.append(f"rules decide alone: {self._inference.info.why}")
        if self._uplink.problem:
            found.append(f"telemetry waits: {self._uplink.problem}")
        newest = self._loop.newest
        if newest is not None:
            found += [f"collector {name} fails: its signals are missing" for name in newest.failed_collectors]
        return found
