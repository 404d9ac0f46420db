"""A gRPC server over a real socket and a real journal, with a host that is only imagined."""

from dataclasses import replace

import pytest

from orderd.config.schema import RolesConfig, RpcConfig
from orderd.domain.clock import Instant
from orderd.domain.explanation import Difference, Explanation, Replay, SignalWeight
from orderd.domain.faults import Entity, Failure
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.standing import Approval, Authority, Denial, Pause, Rating, Ticket
from orderd.domain.status import HostStatus
from orderd.domain.values import (
    NAN,
    Action,
    Diagnosis,
    EntityRow,
    Hold,
    Mode,
    ModelInfo,
    Reason,
    Sample,
    Source,
    Step,
    entity_values,
)
from orderd.errors import StateError
from orderd.record import DecisionHub, Journal

NGINX = Entity.parse("unit:nginx.service")
HOLD_MAX_S = 3600.0


class ImaginedHost:
    """A view of a host with one broken unit, which does what people tell it in memory."""

    def __init__(self, clock, journal) -> None:
        self.clock = clock
        self.journal = journal
        self.held = {}
        self.paused = None
        self.waiting = {}
        self.rated = {}
        self.ran = []
        self.kept_tickets = []
        self.scores = {}
        self.denied = {}
        self.explained = {}
        self.bundles = {}
        self.fails = None
        self.done = []
        """What was done, not what was only checked."""

    def status(self) -> HostStatus:
        """Return the host."""
        if self.fails:
            raise self.fails
        now = self.clock.now()
        rows = (
            EntityRow(entity=Entity.parse("mount:/"), values=entity_values(mount_used_ratio=0.42)),
            EntityRow(entity=NGINX, values=entity_values(unit_active_ratio=0.0, unit_failed_ratio=1.0)),
        )
        return HostStatus(
            at=now,
            version="0.1",
            host_id="h",
            hostname="web-3",
            mode=Mode.AUTO,
            uptime_s=4000.0,
            model=ModelInfo(loaded=True, version="1", sha256="ab" * 32, provider="CPUExecutionProvider"),
            newest=Sample(at=now, cause="timer", host=(0.5,) + (NAN,) * (len(HOST_SIGNALS) - 1), entities=rows),
            diagnoses=(Diagnosis(failure=Failure.SERVICE_DOWN, entity=NGINX, probability=1.0, source=Source.RULES),),
            holds=self.holds(),
            degraded=("trainer unreachable",),
            repairs=("start",),
            open_incidents=1,
            pause=self.paused,
            denials=tuple(self.denied.values()),
            approvals=tuple(self.waiting.values()),
            open_tickets=sum(t.closed is None for t in self.kept_tickets),
            reasons={"allowed": 3, "cooldown": 1},
            changes=("dpkg (pid 4711) installs packages",),
            budget="2 of 10 hosts under repair",
            identity="spiffe://fleet/host/h",
            identity_remaining_s=40_000.0,
        )

    def _do(self, what, validate_only) -> None:
        if not validate_only:
            self.done.append(what)

    def hold(self, entity, duration_s, why, by, *, validate_only=False) -> Hold:
        """Place a hold."""
        if entity != NGINX:
            raise LookupError(f"{entity} is not watched")
        if duration_s > HOLD_MAX_S:
            raise ValueError(f"duration_s = {duration_s:g}: at most {HOLD_MAX_S:g} (decision.hold_max_s)")
        now = self.clock.now()
        hold = Hold(entity=entity, why=why, by=by, at=now, until=now.mono_ns + int(duration_s * 1e9))
        self._do("hold", validate_only)
        if not validate_only:
            self.held[entity] = hold
        return hold

    def release(self, entity, by, *, validate_only=False) -> bool:
        """End a hold."""
        if entity not in self.held:
            return False
        self._do("release", validate_only)
        if not validate_only:
            del self.held[entity]
        return True

    def holds(self):
        """Return all holds."""
        return tuple(self.held.values())

    def pause(self, why, by, duration_s=0.0, *, validate_only=False) -> Pause:
        """Stop repairs."""
        now = self.clock.now()
        pause = Pause(why=why, by=by, at=now, until=now.mono_ns + int(duration_s * 1e9) if duration_s else 0)
        self._do("pause", validate_only)
        if not validate_only:
            self.paused = pause
        return pause

    def resume(self, by, *, validate_only=False) -> bool:
        """End a pause."""
        if self.paused is None:
            return False
        self._do("resume", validate_only)
        if not validate_only:
            self.paused = None
        return True

    def ask(self, decision) -> None:
        """Let a recorded decision wait for a person."""
        now = self.clock.now()
        self.waiting[decision.decision_id] = Approval(
            decision_id=decision.decision_id,
            incident_id=decision.incident_id,
            target=decision.diagnosis.entity,
            failure=decision.diagnosis.failure,
            repair="start",
            asked=now,
            until=now.mono_ns + 600_000_000_000,
        )

    def _answer(self, decision_id, what, validate_only):
        record = self.journal.get(decision_id)
        if record is None:
            raise LookupError(f"there is no decision {decision_id}")
        if decision_id not in self.waiting:
            raise StateError("not_waiting", f"decision {decision_id} does not wait for anybody")
        self._do(what, validate_only)
        if not validate_only:
            del self.waiting[decision_id]
        return record

    def approve(self, decision_id, why, by, *, validate_only=False):
        """Answer yes."""
        return self._answer(decision_id, "approve", validate_only)

    def reject(self, decision_id, why, by, *, validate_only=False):
        """Answer no."""
        return self._answer(decision_id, "reject", validate_only)

    def rate(self, decision_id, good, note, by, *, validate_only=False):
        """Keep a rating."""
        record = self.journal.get(decision_id)
        rating = Rating(decision_id=decision_id, good=good, note=note, by=by, at=self.clock.now())
        self._do("rate", validate_only)
        if validate_only:
            return record
        self.rated.setdefault(decision_id, []).insert(0, rating)
        words = "right" if good else "wrong"
        step = Step(decision_id=decision_id, at=self.clock.now(), state=record.state, what="rated", detail=words)
        return self.journal.append(step)

    def ratings(self, decision_id):
        """Return ratings, newest first."""
        return tuple(self.rated.get(decision_id, ()))

    def bundle(self, incident_id):
        """Return where its bundle is."""
        return self.bundles.get(incident_id, "")

    def run_repair(self, repair, entity, why, by, *, validate_only=False) -> str:
        """Run a repair by hand."""
        if repair != "start":
            raise LookupError(f"repair = {repair!r}: not in the catalogue")
        if self.paused is not None:
            raise StateError("paused", f"paused by {self.paused.by}: {self.paused.why}")
        self._do("run", validate_only)
        if validate_only:
            return ""
        self.ran.append((repair, entity, why, by))
        return f"d{len(self.ran):012x}abcd"

    def tickets(self):
        """Return all tickets, newest first."""
        return tuple(self.kept_tickets)

    def close_ticket(self, ticket_id, why, by, *, validate_only=False) -> Ticket:
        """Close a ticket."""
        found = next((t for t in self.kept_tickets if t.ticket_id == ticket_id), None)
        if found is None:
            raise LookupError(f"there is no ticket {ticket_id}")
        closed = replace(found, closed=self.clock.now(), why=why, by=by)
        self._do("close", validate_only)
        if not validate_only:
            self.kept_tickets[self.kept_tickets.index(found)] = closed
        return closed

    def scorecard(self):
        """Return every score."""
        return tuple(self.scores.values())

    def set_authority(self, failure, repair, authority, why, by, *, validate_only=False):
        """Overrule a score."""
        if (failure, repair) not in self.scores:
            raise LookupError(f"no repair {repair} for {failure}")
        score, mode = self.scores[failure, repair]
        new = replace(score, authority=authority or Authority.SHADOW, why=f"{why} ({by})"), mode
        self._do("authority", validate_only)
        if not validate_only:
            self.scores[failure, repair] = new
        return new

    def lift_denial(self, repair, entity, why, by, *, validate_only=False) -> Denial:
        """Let a repair be used again."""
        if (repair, entity) not in self.denied:
            raise LookupError(f"{repair} is not denied on {entity}")
        self._do("lift", validate_only)
        return self.denied[repair, entity] if validate_only else self.denied.pop((repair, entity))

    def repairs(self):
        """Return the catalogue."""
        return {}

    async def explain(self, decision_id, signals_max) -> Explanation:
        """Say why."""
        record = self.journal.get(decision_id)
        if decision_id not in self.explained:
            raise StateError("evidence_dropped", "the window of this decision was dropped to save room")
        weights = (
            SignalWeight(entity=NGINX, signal="unit_active_ratio", value=0.0, probability_without=0.31),
            SignalWeight(entity=None, signal="host_cpu_ratio", value=NAN, probability_without=0.96),
        )
        sentences = ("nginx.service was not active.", "start was chosen: first usable rung.")
        return Explanation(record=record, sentences=sentences, signals=weights[:signals_max], probability=0.97, model_version="1")

    async def replay(self, decision_id) -> Replay:
        """Decide again."""
        record = self.journal.get(decision_id)
        replayed = replace(record.decision, action=Action.WAIT, repair="", reason=Reason.COOLDOWN, detail="10 s left")
        different = (
            Difference(field="action", recorded="repair", replayed="wait"),
            Difference(field="reason", recorded="allowed", replayed="cooldown"),
        )
        return Replay(record=record, replayed=replayed, differences=different, model_version="1")


@pytest.fixture
def ticket():
    """Return a maker of open tickets."""

    def make(number: int, **fields) -> Ticket:
        start = {
            "ticket_id": f"t{number:012x}0000",
            "entity": NGINX,
            "failure": Failure.SERVICE_DOWN,
            "opened": Instant(mono_ns=1, utc_ns=1_795_000_000_000_000_000),
            "decision_ids": ("d0000000000010000", "d0000000000020000"),
        }
        return Ticket(**(start | fields))

    return make


@pytest.fixture
def imagined_host(manual_clock, rpc_journal):
    """Return a view of a host."""
    return ImaginedHost(manual_clock, rpc_journal)


@pytest.fixture
def rpc_journal(tmp_path):
    """Return an open journal."""
    journal = Journal.open(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


@pytest.fixture
def rpc_config(tmp_path):
    """Return bounds and a socket."""
    return RpcConfig(socket=str(tmp_path / "o.sock"), watchers_max=3, roles=RolesConfig(operator=("nobody",)))


@pytest.fixture
def hub(rpc_config):
    """Return a hub with the configured bound."""
    return DecisionHub(rpc_config.watchers_max)
