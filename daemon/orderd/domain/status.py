"""What orderd says of itself and of the host when asked. Pure, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orderd.domain.clock import Instant
from orderd.domain.standing import Approval, Denial, Pause
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
        pause: in force, or None.
        denials: repairs that are not used on a target any more.
        approvals: questions that wait for a person.
        open_tickets: symptoms that repairs only masked.
        reasons: decisions since the start by reason code.
        changes: whole-host changes being made, one sentence each.
        budget: what the fleet's budget says; empty without one.
        identity: SPIFFE name of this host; empty when it is not enrolled.
        identity_remaining_s: seconds until its certificate ends.
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
    pause: Pause | None = None
    denials: tuple[Denial, ...] = ()
    approvals: tuple[Approval, ...] = ()
    open_tickets: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])
    changes: tuple[str, ...] = ()
    budget: str = ""
    identity: str = ""
    identity_remaining_s: float = 0.0
