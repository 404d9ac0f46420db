"""What orderd says of itself and of the host when asked. Pure, frozen."""

from dataclasses import dataclass

from orderd.domain.clock import Instant
from orderd.domain.values import Diagnosis, Hold, Mode, ModelInfo, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """The host as orderd sees it at one moment.

    Attributes:
        at: the moment; holds are counted down from it.
        version: of orderd.
        host_id: of this host, stable over reboots, not its machine-id.
        hostname: for people.
        mode: what orderd may do.
        uptime_s: seconds since orderd started.
        model: the order model, or why there is none.
        newest: the newest sample, None before the first.
        diagnoses: failures seen in the newest sample.
        holds: announcements that have not ended.
        degraded: what does not work at the moment, one sentence each.
        repairs: names of the repairs that serve.
        samples: taken since the start.
        open_incidents: incidents not in a terminal state.
        telemetry_sent: samples the trainer has acknowledged.
        telemetry_waiting: samples that wait for the trainer.
    """

    at: Instant
    version: str
    host_id: str
    hostname: str
    mode: Mode
    uptime_s: float
    model: ModelInfo
    newest: Sample | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    holds: tuple[Hold, ...] = ()
    degraded: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    samples: int = 0
    open_incidents: int = 0
    telemetry_sent: int = 0
    telemetry_waiting: int = 0
