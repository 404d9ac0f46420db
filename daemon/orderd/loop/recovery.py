"""After a restart: every incident that had not ended is taken up again where its record says it was, and ends like any other.

    waiting, diagnosed      watched on: decided again when the symptom stands, closed when it went away
    repairing, verifying    the repair is waited for when it still runs, then the target's signals judge; undone when they say no
    undoing                 waited for, then asked for once more; the executor does nothing twice
    its repair is not in the catalogue any more    closed, with that reason

Touches the journal and, beside the ticks, the executor.
"""

from dataclasses import replace
from typing import Final

from orderd.decision import Ending
from orderd.domain.clock import Instant
from orderd.domain.repairs import Repair
from orderd.domain.values import Action, Decision, DecisionRecord, IncidentState, RepairOutcome, Step
from orderd.loop.incidents import Incident
from orderd.loop.loop import Loop
from orderd.loop.parts import Parts

_BESIDE: Final = frozenset({"rated", "ticket", "collateral"})
"""Steps that say nothing about how far a repair has come."""
_ENDINGS: Final = {"verified": Ending.VERIFIED, "unverified": Ending.UNVERIFIED}


def recover(loop: Loop, parts: Parts) -> int:
    """Take up what an earlier run left; call it before the first tick.

    Returns:
        How many incidents were taken up.

    Raises:
        JournalError: the journal cannot be read.
    """
    records = parts.journal.unfinished()
    for record in records:
        _take_up(record, loop, parts)
    taken = {record.decision.decision_id for record in records}
    for deed in loop.memory.unfinished():
        if deed.decision_id not in taken:
            # orderd ended between the last word of the record and the guard's memory of it.
            ending = _ending(parts.journal.get(deed.decision_id))
            loop.memory.ended(deed.decision_id, ending, parts.clock.now())
    return len(records)


def _take_up(record: DecisionRecord, loop: Loop, parts: Parts) -> None:
    now = parts.clock.now()
    # Monotonic time may have begun anew: differences count from now, UTC stays what it was.
    decision = replace(record.decision, at=Instant(mono_ns=now.mono_ns, utc_ns=record.decision.at.utc_ns))
    incident = Incident(
        incident_id=decision.incident_id,
        diagnosis=decision.diagnosis,
        opened=Instant(mono_ns=now.mono_ns, utc_ns=decision.detected_at.utc_ns),
        last_seen=now,
        state=record.state,
        tried=_tried(parts.journal.incident(decision.incident_id)),
        decision=decision,
    )
    if loop.incidents.get(incident.entity) is not None:
        _note(loop, decision, IncidentState.CLOSED, "another incident of this entity is open as well", now)
        loop.memory.ended(decision.decision_id, Ending.INTERRUPTED, now)
        return
    if decision.action is Action.REPAIR and not _settled(record, parts.repairs.get(decision.repair)):
        _take_up_repair(record, incident, decision, loop, parts)
        return
    loop.memory.ended(decision.decision_id, _ending(record), now)
    incident.state = IncidentState.WAITING if record.state is IncidentState.WAITING else IncidentState.DIAGNOSED
    loop.incidents.add(incident)
    _note(loop, decision, incident.state, f"orderd was restarted while this was {record.state}; the host is judged afresh", now)


def _take_up_repair(record: DecisionRecord, incident: Incident, decision: Decision, loop: Loop, parts: Parts) -> None:
    now, repair = parts.clock.now(), parts.repairs.get(decision.repair)
    if repair is None:
        detail = f"orderd was restarted while this was {record.state}, and {decision.repair} is no longer in the catalogue"
        loop.memory.ended(decision.decision_id, Ending.INTERRUPTED, now)
        _note(loop, decision, IncidentState.CLOSED, detail, now)
        return
    undo = any(step.what == "unverified" for step in record.steps)
    incident.state = IncidentState.REPAIRING
    loop.incidents.add(incident)
    parts.sampler.focus(incident.entity)
    if undo:
        loop.memory.ended(decision.decision_id, Ending.UNVERIFIED, now)
        loop.memory.undoing(decision.decision_id)  # from this moment on: nobody may repair the target by hand meanwhile
        detail = "orderd was restarted before the undo was done; it is asked for once more, and the executor does nothing twice"
    else:
        detail = f"orderd was restarted while this was {record.state}; {incident.entity} shows whether it helped"
    _note(loop, decision, IncidentState.REPAIRING, detail, now)
    loop.carrier.resume(incident, decision, repair, undo=undo)


def _note(loop: Loop, decision: Decision, state: IncidentState, detail: str, now: Instant) -> None:
    step = Step(decision_id=decision.decision_id, at=now, state=state, what="recovered", detail=detail)
    loop.book.note(step)


def _settled(record: DecisionRecord, repair: Repair | None) -> bool:
    """Tell whether nothing of a repair is left to be done: it was refused, or judged and taken back where it can be."""
    if _refused(record):
        return True
    last = next(step for step in reversed(record.steps) if step.what not in _BESIDE)
    if last.what == "unverified":
        return last.state is IncidentState.WAITING or repair is None or not repair.undo
    return last.what in {"undone", "undo_failed"} or (last.what == "recovered" and last.state is IncidentState.DIAGNOSED)


def _refused(record: DecisionRecord) -> bool:
    """Tell whether the executor refused a repair before anything was touched."""
    return any(
        step.what == "finished" and step.outcome is RepairOutcome.REFUSED and step.state is not IncidentState.VERIFYING
        for step in record.steps
    )


def _ending(record: DecisionRecord | None) -> Ending:
    """Return what the record says came of a repair."""
    if record is None:
        return Ending.INTERRUPTED
    words = [step.what for step in record.steps]
    refused = _refused(record)
    for word, ending in _ENDINGS.items():
        if word in words and not (refused and word == "unverified"):
            return Ending.COLLATERAL if ending is Ending.VERIFIED and "collateral" in words else ending
    return Ending.VOID if refused else Ending.INTERRUPTED


def _tried(records: list[DecisionRecord]) -> list[str]:
    """Return the repairs an incident has tried: those that were not refused before anything was touched."""
    return [r.decision.repair for r in records if r.decision.action is Action.REPAIR and not _refused(r)]
