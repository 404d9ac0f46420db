"""The loop: one tick a second, more when something happens. Owns no mechanism; calls the rooms and branches.

    wait -> sample -> see -> open, refresh and close incidents -> judge those being verified -> decide about the others

Repairs run beside the loop in tasks of their own, so that sampling goes on (`orderd.loop.carrying`).
"""

import logging

from orderd.decision import GuardMemory
from orderd.diagnosis import Opinion
from orderd.domain.clock import Instant
from orderd.domain.values import IncidentState, Reason, Sample, Step
from orderd.errors import JournalError
from orderd.loop.book import Book
from orderd.loop.carrying import Carrier
from orderd.loop.core import Core
from orderd.loop.deciding import Decider
from orderd.loop.hands import Hands
from orderd.loop.incidents import QUIET_S, Incident, Incidents, cannot_be_seen
from orderd.loop.notices import Notices
from orderd.loop.parts import Parts
from orderd.loop.seeing import Diagnoser, Seen
from orderd.loop.vitals import Vitals

log = logging.getLogger(__name__)

_DOUBTS = frozenset({Reason.UNKNOWN_FAILURE, Reason.LOW_CONFIDENCE})


class Loop:
    """Drives one host. ``run`` until cancelled."""

    def __init__(self, parts: Parts, memory: GuardMemory) -> None:
        """Take the rooms, ready to use, and the guard's memory, restored."""
        self._parts = parts
        self._config = parts.config
        self._clock = parts.clock
        self._diagnoser = Diagnoser(parts.config, parts.inference)
        self.memory = memory
        self.incidents = Incidents()
        self.vitals = Vitals(parts.config, parts.clock)
        self.notices = Notices(parts.notifier)
        self.book = Book(parts.journal, parts.hub, parts.uplink)
        self.hands = Hands(parts.changes, memory)
        self.core = Core(
            parts=parts, book=self.book, incidents=self.incidents, memory=memory, notices=self.notices, hands=self.hands
        )
        self.carrier = Carrier(self.core)
        self.decider = Decider(self.core, self.carrier)
        self.seen: Seen | None = None
        self.samples = 0

    @property
    def newest(self) -> Sample | None:
        """Return the newest sample, None before the first."""
        return None if self.seen is None else self.seen.sample

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        """Return what is wrong now."""
        return () if self.seen is None else self.seen.opinions

    @property
    def journal_error(self) -> str:
        """Return why the journal cannot be written; empty when it can."""
        return self.book.error

    @property
    def open_incidents(self) -> int:
        """Return how many incidents are not in a terminal state."""
        return len(self.incidents.open())

    async def run(self) -> None:
        """Tick until cancelled.

        Raises:
            asyncio.CancelledError: on shutdown; a running repair is left to the executor, recovery at start settles it.
        """
        next_timer = self._clock.now().mono_ns
        while True:
            # The period shortens while a repair is verified, also for a wait that has begun with the longer one.
            next_timer = min(next_timer, self._clock.now().mono_ns + int(self._period_s() * 1e9))
            wait_s = max(0.0, (next_timer - self._clock.now().mono_ns) / 1e9)
            cause = await self._parts.sampler.wait(wait_s)
            if cause == "timer":
                next_timer = self._clock.now().mono_ns + int(self._period_s() * 1e9)
            await self.tick(cause)

    def _period_s(self) -> float:
        verifying = self.incidents.in_state(IncidentState.VERIFYING)
        return self._config.sampling.verify_period_s if verifying else self._config.sampling.period_s

    async def tick(self, cause: str) -> None:
        """Take one sample and act on it."""
        sample = await self._parts.sampler.sample(cause)
        self._parts.uplink.offer_sample(sample)
        self.seen = await self._diagnoser.look(sample)
        self.samples += 1
        self._take_in(self.seen)
        try:
            if self._journal_works():
                await self._advance(self.seen)
            else:
                self.carrier.watch(sample)
        except JournalError as error:
            # Nothing may be done unrecorded: the host is watched on, and said to be degraded.
            self.book.fails(error)
        self.vitals.ticked(sample.at)
        if self.vitals.may_feed():
            self._parts.heartbeat()

    def _journal_works(self) -> bool:
        """Write what waits; tell whether the journal takes it. One that failed has to prove that it can be written again."""
        try:
            self.book.catch_up()
            self.memory.catch_up()
        except JournalError as error:
            if self.vitals.check_journal(self._parts.journal.kept, failing=True) or not self.book.behind:
                self.book.fails(error)
                return False
            self.book.pass_over(error)
        if why := self.vitals.check_journal(self._parts.journal.kept, failing=bool(self.book.error)):
            self.book.fails(JournalError(why))
            return False
        self.book.works()
        return True

    async def _advance(self, seen: Seen) -> None:
        self.hands.keep(seen.sample)
        self._close_quiet_ones(seen.sample.at)
        for incident in self.carrier.judge(seen.sample):
            self._forget(incident)
        self.decider.expire(seen.sample.at)
        wanted = await self.decider.act(seen)
        if wanted:
            await self._parts.budget.prepare(True)  # noqa: FBT003 - the budget's one question; renews what is held
        else:
            self._parts.budget.release()

    def _take_in(self, seen: Seen) -> None:
        """Open incidents for new symptoms and keep the others current; also while nothing can be recorded."""
        for opinion in seen.opinions:
            incident = self.incidents.get(opinion.chosen.entity)
            if incident is not None and self._is_named_now(incident, opinion):
                self.notices.over(incident)  # nobody would take it back later: the new incident has a name of its own
                self._forget(incident)
                incident = None
            if incident is None:
                self._open(opinion, seen.sample.at)
                continue
            incident.last_seen = seen.sample.at
            if not incident.under_repair:
                incident.diagnosis = opinion.chosen
        for incident in self.incidents:
            if cannot_be_seen(incident.entity, seen.sample) or incident.is_unproven(seen.sample):
                incident.last_seen = seen.sample.at

    def _close_quiet_ones(self, now: Instant) -> None:
        """Close incidents whose entity has been quiet."""
        for incident in self.incidents:
            if not incident.under_repair and now.seconds_since(incident.last_seen) >= QUIET_S:
                self._close_quiet(incident, now)

    def _is_named_now(self, incident: Incident, opinion: Opinion) -> bool:
        """Tell whether something can be done now about what a person was called for, because nobody could name it."""
        decision = incident.decision
        if not incident.state.terminal or decision is None or decision.reason not in _DOUBTS:
            return False
        named, before = opinion.chosen, decision.diagnosis
        sure = named.probability >= self._config.inference.confidence_min
        return sure and (named.failure, named.source) != (before.failure, before.source)

    def _open(self, opinion: Opinion, at: Instant) -> None:
        incident_id = self._parts.ids.incident()
        self.incidents.add(Incident(incident_id=incident_id, diagnosis=opinion.chosen, opened=at, last_seen=at))
        self._parts.sampler.focus(opinion.chosen.entity)

    def _close_quiet(self, incident: Incident, now: Instant) -> None:
        if not incident.state.terminal and incident.decision is not None:
            detail = "the symptom went away " + ("after a repair that was not verified" if incident.tried else "without a repair")
            self._end(incident, "closed", detail, now)
        self.notices.over(incident)
        self._forget(incident)

    def _end(self, incident: Incident, what: str, detail: str, at: Instant) -> None:
        if incident.decision is None:
            return
        since = at.seconds_since(incident.opened)
        decision_id = incident.decision.decision_id
        # A word that the journal will never take is given up by the book; it must not come up at every tick.
        self.book.note(Step(decision_id=decision_id, at=at, state=IncidentState.CLOSED, what=what, detail=detail, seconds=since))
        incident.state = IncidentState.CLOSED

    def _forget(self, incident: Incident) -> None:
        self.memory.incident_ended(incident.incident_id)
        self._parts.sampler.unfocus(incident.entity)
        self.incidents.drop(incident)

    async def close(self) -> None:
        """Wait for nothing: a running repair belongs to the executor, and recovery at start settles its record."""
        await self.carrier.close()
        await self.decider.close()
