"""Turns what was measured outside and what orderd said into the result of one run. Pure.

Nobody is believed alone: "repaired" needs orderd's word that a repair of the right thing succeeded and was verified, and the
prober's that the host is healthy. A fault nobody outside saw land is void, whatever orderd did about it. A fault that has no name
in orderd and that orderd did not notice is `not_seen`: said, counted apart, never a success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from orderd.domain.faults import Failure
from orderd.domain.values import Action, DecisionRecord, IncidentState, RepairOutcome, Step
from ordertrainer.drill.result import Diagnosis, Intensity, Outcome, Repair, Run, Times
from ordertrainer.drill.series import NS_PER_S

FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one run when it is over.

    Attributes:
        fault: its name.
        target: what was broken, ``kind:key``; process keys are those of the host's own pid namespace.
        failure: the failure class the fault causes, as its contract has it.
        intensity: how hard, None for faults that have no degrees.
        decoy: whether the right thing to do is nothing.
        curable: whether any repair is right; else the right end is a person.
        with_it: what the fault breaks besides its target, ``kind:key``: a repair of that is one of this fault.
        beside: what else was broken at the same time, ``kind:key``; decisions about it are not this run's.
        void: why the run does not count, empty when nothing speaks against it.
        landed_ns: when the fault landed, as seen from outside orderd; None when nobody saw it.
        healthy_ns: since when the prober's probes have been good; None when they never held.
        decisions: what orderd decided from the injection on, oldest first.
        touched: services that are not the same run of the same process any more, the target aside; in words.
        residue: what was left after the revert.
    """

    fault: str
    target: str
    failure: str
    intensity: Intensity | None
    decoy: bool
    curable: bool = True
    with_it: Sequence[str] = ()
    beside: Sequence[str] = ()
    void: str = ""
    landed_ns: int | None = None
    healthy_ns: int | None = None
    decisions: Sequence[DecisionRecord] = ()
    touched: Sequence[str] = ()
    residue: Sequence[str] = ()


def judge(seen: Evidence) -> Run:
    """Return the result of a run."""
    outcome, reason = _outcome(seen)
    chosen = _telling(seen)
    touched = _touched(seen)
    return Run(
        fault=seen.fault,
        target=seen.target,
        intensity=seen.intensity,
        decoy=seen.decoy,
        landed=seen.landed_ns is not None and not seen.void,
        diagnosis=_diagnosis(chosen),
        repair=_repair(chosen),
        seconds=_times(seen) if outcome != "void" else Times(),
        outcome=outcome,
        reason=reason,
        touched_healthy=bool(touched),
        residue=list(seen.residue),
        touched=touched or UNSET,
        right_end="escalated" if not seen.curable and not seen.decoy else UNSET,
    )


def about(decisions: Sequence[DecisionRecord], beside: Sequence[str]) -> list[DecisionRecord]:
    """Return the decisions that are not about something else that was broken at the same time."""
    return [record for record in decisions if str(record.decision.diagnosis.entity) not in beside]


def open_incidents(decisions: Sequence[DecisionRecord]) -> int:
    """Return how many incidents have not reached a terminal state; the newest decision of each tells."""
    return sum(not record.state.terminal for record in _newest(decisions))


def _outcome(seen: Evidence) -> tuple[Outcome, str]:
    if seen.void:
        return "void", seen.void
    if seen.landed_ns is None:
        return "void", "nobody outside orderd saw it land"
    return _decoy_outcome(seen) if seen.decoy else _fault_outcome(seen)


def _decoy_outcome(seen: Evidence) -> tuple[Outcome, str]:
    repairs = [record.decision for record in seen.decisions if _was_tried(record)]
    if repairs:
        return "failed", f"nothing was wrong, but orderd ran {repairs[0].repair} on {repairs[0].diagnosis.entity}"
    if seen.healthy_ns is None:
        return "failed", "the host was not healthy afterwards"
    return "left_alone", ""


def _fault_outcome(seen: Evidence) -> tuple[Outcome, str]:
    verified = any(_cured(record) and _on_target(record, seen) for record in seen.decisions)
    if verified and seen.healthy_ns is not None:
        return "repaired", ""
    if any(record.state is IncidentState.ESCALATED for record in _newest(seen.decisions)):
        return "escalated", f"orderd called for a person: {_last_word(seen.decisions)}"
    if not seen.decisions:
        if seen.failure == Failure.UNKNOWN:
            return "not_seen", "orderd noticed nothing, and has no name for it"
        return "failed", "orderd decided nothing"
    if verified:
        return "failed", "orderd says it is repaired, the prober says it is not healthy"
    healed = "; it became healthy all the same" if seen.healthy_ns is not None else ""
    return "failed", f"no repair of {seen.target} was verified: {_last_word(seen.decisions)}{healed}"


def _last_word(decisions: Sequence[DecisionRecord]) -> str:
    last = decisions[-1]
    step = last.steps[-1] if last.steps else None
    words = (step.detail if step else "") or last.decision.detail or str(last.decision.reason)
    return f"{last.decision.action} {last.decision.repair}".strip() + f", {words}"


def _newest(decisions: Sequence[DecisionRecord]) -> list[DecisionRecord]:
    """Return the newest decision of each incident."""
    return list({record.decision.incident_id: record for record in decisions}.values())


def _on_target(record: DecisionRecord, seen: Evidence) -> bool:
    return str(record.decision.diagnosis.entity) in (seen.target, *seen.with_it)


def _is_expected(record: DecisionRecord, seen: Evidence) -> bool:
    return seen.decoy or str(record.decision.diagnosis.failure) == seen.failure


def _was_tried(record: DecisionRecord) -> bool:
    """Tell whether a repair may have touched the host; one that orderd-exec refused did not."""
    if record.decision.action is not Action.REPAIR:
        return False
    finished = _finished(record)
    return finished is None or finished.outcome is not RepairOutcome.REFUSED


def _cured(record: DecisionRecord) -> bool:
    finished = _finished(record)
    succeeded = finished is not None and finished.outcome is RepairOutcome.SUCCEEDED
    return record.decision.action is Action.REPAIR and succeeded and record.state is IncidentState.RESOLVED


def _finished(record: DecisionRecord) -> Step | None:
    return next((step for step in record.steps if step.what == FINISHED), None)


def _touched(seen: Evidence) -> list[str]:
    """Return what was touched though it was not broken: repairs tried on it, and services that are another process now."""
    return [_words(record) for record in seen.decisions if _was_tried(record) and _went_astray(record, seen)] + [*seen.touched]


def _went_astray(record: DecisionRecord, seen: Evidence) -> bool:
    """Tell whether what was decided is about something that was not broken; of a decoy nothing is."""
    return seen.decoy or not _on_target(record, seen)


def _words(record: DecisionRecord) -> str:
    said = record.decision.diagnosis
    sure = f"{said.source.value}: {said.failure} {said.probability:.0%}"
    return f"{record.decision.repair} on {said.entity} ({sure}; {said.evidence})"


def _telling(seen: Evidence) -> DecisionRecord | None:
    """Return the decision a run is told by: the one that cured it, else the first of the best kind there is."""

    def rank(record: DecisionRecord) -> tuple[bool, bool, bool]:
        return (not (_cured(record) and _on_target(record, seen)), not _on_target(record, seen), not _was_tried(record))

    return min(seen.decisions, key=rank, default=None)


def _diagnosis(record: DecisionRecord | None) -> Diagnosis | None:
    if record is None:
        return None
    said = record.decision.diagnosis
    return Diagnosis(
        failure=str(said.failure), entity=str(said.entity), probability=round(said.probability, 4), source=said.source.value
    )


def _repair(record: DecisionRecord | None) -> Repair | None:
    if record is None or record.decision.action is not Action.REPAIR:
        return None
    return Repair(name=record.decision.repair, target=str(record.decision.diagnosis.entity))


def _times(seen: Evidence) -> Times:
    """Return the steps in seconds since the landing.

    Detection is that of the first decision about this very failure, the rest is that of the telling decision. systemd may tell
    orderd of an end before the prober's last good answer has arrived: a few milliseconds below zero are zero.
    """
    told = _telling(seen)
    first = next((record for record in seen.decisions if _on_target(record, seen) and _is_expected(record, seen)), told)
    finished = _finished(told) if told else None
    return Times(
        detected=_since(seen, first.decision.detected_at.mono_ns if first else None),
        decided=_since(seen, told.decision.at.mono_ns if told else None),
        repaired=_since(seen, finished.at.mono_ns if finished else None),
        healthy=_since(seen, seen.healthy_ns if not seen.decoy else None),
    )


def _since(seen: Evidence, mono_ns: int | None) -> float | None:
    if mono_ns is None or seen.landed_ns is None:
        return None
    return max(0.0, round((mono_ns - seen.landed_ns) / NS_PER_S, 3))
