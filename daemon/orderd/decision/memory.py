"""The guard's memory: what people ordered, what was repaired, what came of it. Kept durably through `orderd.decision.kept.Keep`.

What people order is durable before it counts; a repair is remembered before it begins; what has happened is remembered in any
case and written as soon as that works again. Differences are taken on the monotonic clock alone; UTC is only what is stored.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.config import Config
from orderd.config.modes import mode_of
from orderd.decision.doubts import Doubt, Doubts
from orderd.decision.facts import Ending, Facts, Limits, Permit, Phase, permits_for
from orderd.decision.history import Deed, History
from orderd.decision.kept import Keep, Saver, this_boot
from orderd.decision.orders import Holds, HostPause, KeptHold, KeptPause
from orderd.decision.questions import KeptApproval, Questions
from orderd.decision.scorecard import PEOPLES, Overrule, Scorecard
from orderd.decision.tickets import Tickets
from orderd.decision.windows import WallClock, open_windows
from orderd.domain.changes import Change
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.repairs import Repair
from orderd.domain.standing import Approval, Authority, Denial, Lease, Pause, Score, Standing, Ticket
from orderd.domain.values import Decision, Diagnosis, Hold, Mode, Reason

_JUDGED: Final = {Ending.VERIFIED: True, Ending.COLLATERAL: False, Ending.UNVERIFIED: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the loop knows about one incident; the guard's memory adds the rest.

    Attributes:
        incident_id: the incident.
        diagnosis: its newest diagnosis.
        opened: when it was opened.
        tried: names of the repairs it has tried, in order.
        others: diagnoses of the other incidents that are not in a terminal state.
        in_transition: systemd is starting or stopping the target.
        silent_together: services that run and stopped answering at once, the target among them; 0 when they are few.
        changes: planned changes seen now, on whatever entity; those in the way are picked out.
        lease: the fleet's word, None while it was not asked.
    """

    incident_id: str
    diagnosis: Diagnosis
    opened: Instant
    tried: tuple[str, ...] = ()
    others: tuple[Diagnosis, ...] = ()
    in_transition: bool = False
    silent_together: int = 0
    changes: tuple[Change, ...] = ()
    lease: Lease | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What an outcome changed, for the record and for notices; None where it changed nothing.

    Attributes:
        denial: the repair is not used on this target any more.
        ticket: the symptom came back too often.
        earned: the score, when authority was granted.
        withdrawn: the score, when authority was lost.
    """

    denial: Denial | None = None
    ticket: Ticket | None = None
    earned: Score | None = None
    withdrawn: Score | None = None


class GuardMemory:
    """Everything the guard remembers about one host."""

    def __init__(
        self,
        *,
        config: Config,
        repairs: Mapping[str, Repair],
        keep: Keep,
        now: Instant,
        boot_id: str,
        ticket_id: Callable[[], str],
    ) -> None:
        """Restore what was kept.

        Args:
            config: the checked configuration.
            repairs: the catalogue by name.
            keep: where everything is kept.
            now: the moment of the start.
            boot_id: /proc/sys/kernel/random/boot_id.
            ticket_id: gives out sortable ids that are unique on this host.
        """
        self._config = config
        self._repairs = repairs
        self._ticket_id = ticket_id
        self._boot_id = boot_id
        self._wall = WallClock()
        self._saver = saver = Saver(keep)
        boot = this_boot(keep, saver, boot_id, now)
        decision = config.decision
        cooldowns = (r.cooldown_s for r in repairs.values())
        self._history = History(
            remember_s=max(3600.0, decision.masking.within_s, *cooldowns),
            saver=saver,
            boot=boot,
            deeds=keep.load(Standing.REPAIR, Deed),
        )
        self._holds = Holds(saver=saver, boot=boot, kept=keep.load(Standing.HOLD, KeptHold))
        self._pause = HostPause(saver=saver, boot=boot, kept=keep.load(Standing.PAUSE, KeptPause))
        self._questions = Questions(saver=saver, boot=boot, kept=keep.load(Standing.APPROVAL, KeptApproval))
        doubts = keep.load(Standing.DENIAL, Doubt)
        self._doubts = Doubts(failed_max=decision.failed_verifications_max, saver=saver, boot=boot, kept=doubts)
        self._tickets = Tickets(saver=saver, kept=keep.load(Standing.TICKET, Ticket))
        scores, overrules = keep.load(Standing.SCORE, Score), keep.load(Standing.OVERRULE, Overrule)
        self._scorecard = Scorecard(decision.autonomy, saver, scores, overrules)
        self._reasons: Counter[str] = Counter()
        self._limits = Limits.of(config)
        self._permits = {kind: permits_for(kind, config, repairs) for kind in EntityKind}

    def facts(self, situation: Situation, now: Instant) -> Facts:
        """Put together everything known about an incident at a moment.

        Args:
            situation: what the loop knows.
            now: the moment.
        """
        target = situation.diagnosis.entity
        return Facts(
            now=now,
            incident_id=situation.incident_id,
            target=target,
            failure=situation.diagnosis.failure,
            opened=situation.opened,
            tried=situation.tried,
            others=tuple(_finite(d) for d in situation.others),
            in_transition=situation.in_transition,
            silent_together=situation.silent_together,
            permits=tuple(self._with_score(p) for p in self._permits[target.kind]),
            pause=self._pause.in_force(now),
            hold=self._holds.of(target, now),
            windows=open_windows(self._config.decision.windows, target, self._wall.moments(now)),
            changes=tuple(c for c in situation.changes if c.entity in {None, target} and c.until > now.mono_ns),
            approvals=self._questions.of_incident(situation.incident_id, now),
            denials=self._doubts.of(target),
            tickets=self._tickets.about(target),
            past=self._history.past(target, now),
            host_repairs=self._history.within_the_hour(now),
            running=self._history.running(target, self._repairs),
            lease=situation.lease,
            limits=self._limits,
        )

    def _with_score(self, permit: Permit) -> Permit:
        score = self._scorecard.score(permit.failure, permit.repair)
        return replace(permit, authority=score.authority, why=score.why)

    # What was decided and what came of it.

    def count(self, reason: Reason) -> None:
        """Count one recorded decision by its reason code."""
        self._reasons[reason.value] += 1

    @property
    def reasons(self) -> dict[str, int]:
        """Return the recorded decisions since the start, by reason code."""
        return dict(self._reasons)

    def started(self, decision: Decision, *, by_hand: bool = False) -> None:
        """Remember a repair that is about to begin: its target is locked, it counts for rates, its approval is set aside.

        Call it after the decision is durable and before anything is touched.

        Raises:
            StateError: another repair has the target (``target_locked``).
            JournalError: it could not be made durable, so the repair must not begin.
        """
        target = decision.diagnosis.entity
        self._history.begin(
            Deed(
                decision_id=decision.decision_id,
                repair=decision.repair,
                target=target,
                failure=decision.diagnosis.failure,
                at=decision.at,
                boot_id=self._boot_id,
                by_hand=by_hand,
            )
        )
        self._questions.used(decision.incident_id, decision.repair, decision.decision_id)

    def verifying(self, decision_id: str) -> None:
        """Say that the playbook has ended and verification watches: the host is free, the target is still locked."""
        self._history.enter(decision_id, Phase.VERIFYING)

    def undoing(self, decision_id: str) -> None:
        """Say that a repair is being undone, after ``ended``: the target is locked again until ``undone``."""
        self._history.enter(decision_id, Phase.WORKING)

    def undone(self, decision_id: str) -> None:
        """Say that the undo has ended, well or not: the target is free."""
        self._history.enter(decision_id, None)

    def ended(self, decision_id: str, ending: Ending, now: Instant) -> Aftermath:
        """Say what came of a repair: it feeds the scorecard, the denials and the masking detector. Said twice, it counts once.

        Args:
            decision_id: the decision of the repair.
            ending: what verification said; INTERRUPTED when the host was touched and nothing judged: it counts for rates alone;
                VOID when nothing was touched: it is forgotten, and its approval stands again.
            now: the moment.

        Returns:
            What follows from it, for the record and for notices.
        """
        if ending is Ending.VOID:
            self._questions.give_back(decision_id)
        else:
            self._questions.use_up(decision_id)
        deed = self._history.judge(decision_id, ending)
        if deed is None or ending not in _JUDGED:
            return Aftermath()
        denial = None
        if ending is Ending.UNVERIFIED:
            denial = self._doubts.failed(deed.repair, deed.target, decision_id, now)
        else:
            self._doubts.helped(deed.repair, deed.target)
        aftermath = Aftermath(denial=denial, ticket=self._look_for_masking(deed, now))
        if deed.by_hand:
            return aftermath
        return self._scored(aftermath, deed.failure, deed.repair, right=_JUDGED[ending])

    def unfinished(self) -> tuple[Deed, ...]:
        """Return the repairs that no ending was told for, oldest first: after a restart, those to be settled."""
        return self._history.unfinished()

    def catch_up(self) -> None:
        """Write what could not be written when it happened; call it at every tick.

        Raises:
            JournalError: it still cannot.
        """
        self._saver.catch_up()

    def _scored(self, aftermath: Aftermath, failure: Failure, repair: str, *, right: bool) -> Aftermath:
        before, after = self._scorecard.outcome(failure, repair, right=right)
        if after.authority is Authority.EARNED and before.authority is not Authority.EARNED:
            return replace(aftermath, earned=after)
        if after.authority is Authority.WITHDRAWN and before.authority is Authority.EARNED:
            return replace(aftermath, withdrawn=after)
        return aftermath

    def _look_for_masking(self, deed: Deed, now: Instant) -> Ticket | None:
        limits = self._config.decision.masking
        helped = self._history.masked(deed.target, deed.failure, limits.within_s, now)
        if len(helped) < limits.repairs or self._tickets.about(deed.target, deed.failure):
            return None
        ticket = Ticket(ticket_id=self._ticket_id(), entity=deed.target, failure=deed.failure, opened=now, decision_ids=helped)
        self._tickets.open(ticket)
        return ticket

    # Questions to a person.

    def ask(self, decision: Decision, repair: str, now: Instant) -> Approval:
        """Ask a person about the repair a waiting decision proposes; asked twice in one incident, it is one question.

        Raises:
            JournalError: it could not be made durable.
        """
        return self._questions.ask(
            Approval(
                decision_id=decision.decision_id,
                incident_id=decision.incident_id,
                target=decision.diagnosis.entity,
                failure=decision.diagnosis.failure,
                repair=repair,
                asked=now,
                until=now.mono_ns + int(self._config.decision.approval_s * 1e9),
            )
        )

    def answer(self, decision_id: str, *, yes: bool, why: str, by: str, now: Instant, validate_only: bool = False) -> Approval:
        """Take a person's answer; a no counts against the playbook on the scorecard.

        Raises:
            StateError: nothing waits under this id (``not_waiting``), it was ``answered``, or it expired (``approval_expired``).
            JournalError: it could not be made durable, so it does not count.
        """
        said = self._questions.answer(decision_id, yes=yes, why=why, by=by, now=now, validate_only=validate_only)
        if not yes and not validate_only:
            self._scorecard.outcome(said.failure, said.repair, right=False)
        return said

    def expire(self, now: Instant) -> tuple[Approval, ...]:
        """Let questions expire whose time is over; return those, each once."""
        return self._questions.expire(now)

    def approval(self, decision_id: str) -> Approval | None:
        """Return the question of a decision, answered or not; None without one."""
        return self._questions.get(decision_id)

    def approvals(self, now: Instant) -> tuple[Approval, ...]:
        """Return the questions that wait, oldest first."""
        return self._questions.pending(now)

    def incident_ended(self, incident_id: str) -> None:
        """Forget the questions of an incident that is over."""
        self._questions.forget(incident_id)

    # What people order.

    def hold(self, hold: Hold) -> None:
        """Leave an entity alone; a second hold on it replaces the first.

        Raises:
            ValueError: there are too many holds.
            JournalError: it could not be made durable, so it does not count.
        """
        self._holds.put(hold)

    def release(self, entity: Entity) -> bool:
        """End a hold early; tell whether there was one.

        Raises:
            JournalError: it could not be made durable, so the hold stands.
        """
        return self._holds.release(entity)

    def holds(self, now: Instant) -> tuple[Hold, ...]:
        """Return the holds in force, by entity."""
        return self._holds.in_force(now)

    def hold_on(self, entity: Entity, now: Instant) -> Hold | None:
        """Return the hold in force on an entity."""
        return self._holds.of(entity, now)

    def pause(self, pause: Pause) -> None:
        """Stop all repairs.

        Raises:
            JournalError: it could not be made durable, so it does not count.
        """
        self._pause.put(pause)

    def resume(self) -> bool:
        """End the pause; tell whether there was one.

        Raises:
            JournalError: it could not be made durable, so the pause stands.
        """
        return self._pause.resume()

    def paused(self, now: Instant) -> Pause | None:
        """Return the pause in force."""
        return self._pause.in_force(now)

    def denials(self) -> tuple[Denial, ...]:
        """Return the repairs that are not used on a target any more, by target."""
        return self._doubts.all()

    def lift_denial(self, repair: str, entity: Entity, *, validate_only: bool = False) -> Denial:
        """Let a repair be used on a target again.

        Raises:
            LookupError: it is not denied there.
            JournalError: it could not be made durable, so the denial stands.
        """
        return self._doubts.lift(repair, entity, validate_only=validate_only)

    def tickets(self) -> tuple[Ticket, ...]:
        """Return all tickets that are kept, newest first."""
        return self._tickets.all()

    def close_ticket(self, ticket_id: str, *, why: str, by: str, now: Instant, validate_only: bool = False) -> Ticket:
        """Say that the cause was found: the symptom is repaired again, and counted afresh.

        Raises:
            LookupError: there is no such ticket.
            StateError: it is closed already (``closed``).
            JournalError: it could not be made durable, so it stays open.
        """
        ticket = self._tickets.close(ticket_id, why=why, by=by, now=now, validate_only=validate_only)
        if not validate_only:
            self._history.settle(ticket.entity, ticket.failure)
        return ticket

    # Earned autonomy.

    def scorecard(self) -> tuple[tuple[Score, Mode], ...]:
        """Return every score with the mode in force, by failure class, then playbook."""
        return tuple((score, self._mode(score)) for score in self._scorecard.all())

    def set_authority(
        self,
        word: Overrule | None,
        *,
        failure: Failure,
        repair: str,
        validate_only: bool = False,
    ) -> tuple[Score, Mode]:
        """Overrule the scorecard of one failure class and playbook; None gives it back its word.

        Raises:
            ValueError: the authority is not one that a person gives.
            LookupError: there is no such playbook, or it is not for that failure class.
            JournalError: it could not be made durable, so nothing changed.
        """
        if word is not None and word.authority not in PEOPLES:
            raise ValueError(f"authority = {word.authority}; allowed: {', '.join(sorted(PEOPLES))}")
        if repair not in self._repairs or failure not in self._repairs[repair].repairs:
            raise LookupError(f"no repair {repair!r} for {failure}")
        if validate_only:
            score = self._scorecard.score(failure, repair)
            return (score if word is None else replace(score, authority=word.authority)), self._mode(score)
        if word is None:
            self._scorecard.give_back(failure, repair)
        else:
            self._scorecard.overrule(word)
        score = self._scorecard.score(failure, repair)
        return score, self._mode(score)

    def rated(self, failure: Failure, repair: str, *, good: bool, counted: bool | None) -> Aftermath:
        """Count what a person thought of a decision, unless the same counts for it already.

        Args:
            failure: what the decision was about.
            repair: what it did or proposed.
            good: the person's word.
            counted: what counts for this decision so far, from verification or an earlier rating; None: nothing.

        Returns:
            Whether authority was earned or withdrawn by it.
        """
        if not repair or good is counted:
            return Aftermath()
        return self._scored(Aftermath(), failure, repair, right=good)

    def _mode(self, score: Score) -> Mode:
        return mode_of(self._config.decision, score.failure, score.repair)


def _finite(diagnosis: Diagnosis) -> Diagnosis:
    """Return a diagnosis that JSON can hold: a probability that is no number is none."""
    return diagnosis if math.isfinite(diagnosis.probability) else replace(diagnosis, probability=0.0)
