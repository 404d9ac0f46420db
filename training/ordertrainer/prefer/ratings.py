"""What people said of decisions on real hosts (`orderctl rate`), as comparisons. Pure.

A rating is one bit about one decision, and says nothing of what else could have been done. What can be known is taken, and
nothing is made up:

    the plan      the repair that was decided: how long it took until its target was healthy, or was given up; its contract's
                  risk and reach; whether something else was found changed (counts as touching what is healthy); lasting harm in
                  vain
    beside it     to call a person at that moment instead; who would have been called rightly when no repair of the incident
                  helped in the end, and for nothing when one did

Good says that the plan is better, bad that the call would have been. Somebody who rates a decision weighs the diagnosis, the
timing and the note as much as the cost, so a rating counts as a quarter of an answer. Decisions to wait or to call a person, and
repairs that never ran or only looked, carry nothing: how long trouble would have lasted otherwise was never seen. So ratings can
move the weights of repairs, risk, reach, touching, harm and calls against each other, and teach nothing of what was not tried.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orderd.domain.repairs import BlastRadius, Repair, Risk
from orderd.domain.values import Action, DecisionRecord, RepairOutcome, Step
from ordertrainer.prefer.answers import Answer, Said
from ordertrainer.prefer.bills import Bill

RATING_WEIGHT: Final = 0.25
"""Of an answer that was asked for."""
LASTING: Final = tuple(Risk).index(Risk.LOSES_CACHE)
"""From this risk on a repair in vain does lasting harm, as in the simulator."""
_RAN: Final = frozenset({RepairOutcome.SUCCEEDED, RepairOutcome.FAILED, RepairOutcome.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A decision and what somebody thought of it.

    Attributes:
        host: id, or where it was found.
        record: the decision and what happened.
        incident: every decision of its incident.
        good: it was right.
        by: who said so.
    """

    host: str
    record: DecisionRecord
    incident: Sequence[DecisionRecord]
    good: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What ratings come to.

    Attributes:
        answers: those that carry something.
        nothing: why the others do not, and how many.
    """

    answers: list[Answer]
    nothing: dict[str, int]


def carried(several: Iterable[Rated], repairs: Mapping[str, Repair]) -> Carried:
    """Return what ratings come to.

    Args:
        several: ratings.
        repairs: contracts by name.
    """
    found = Carried(answers=[], nothing={})
    for rated in several:
        answer = comparison(rated, repairs)
        if isinstance(answer, Answer):
            found.answers.append(answer)
        else:
            found.nothing[answer] = found.nothing.get(answer, 0) + 1
    return found


def comparison(rated: Rated, repairs: Mapping[str, Repair]) -> Answer | str:
    """Return a rating as an answer between the plan and a call, or why it says nothing."""
    decision, repair = rated.record.decision, repairs.get(rated.record.decision.repair)
    judged = _judged(rated.record)
    if decision.action is not Action.REPAIR:
        return f"to {decision.action}: what it would have cost otherwise was never seen"
    if judged is None:
        return "the repair did not run, only looked, or was not judged"
    if repair is None:
        return "its repair is not in this catalogue"
    helped = any(step.what == "verified" for record in rated.incident for step in record.steps)
    if not helped and not any(record.state.terminal for record in rated.incident):
        return "its incident is not over"
    plan, call = _bill(rated.record, repair, judged), Bill(false_call=1.0) if helped else Bill(call=1.0)
    return Answer(
        a=plan,
        b=call,
        said=Said.A if rated.good else Said.B,
        by=rated.by,
        scene=f"{decision.decision_id} on {rated.host}: {decision.diagnosis.failure} of {decision.diagnosis.entity}",
        plan_a=f"{repair.name}, {judged.what} after {plan.trouble_s:.1f} s",
        plan_b="calling a person instead",
    )


def _judged(record: DecisionRecord) -> Step | None:
    """Return the step in which verification spoke of a repair that ran; None when it did not, or time makes no sense."""
    ran = any(step.what == "finished" and step.outcome in _RAN for step in record.steps)
    spoke = [step for step in record.steps if step.what in {"verified", "unverified"}]
    # Monotonic time begins anew at a boot.
    return spoke[-1] if ran and spoke and spoke[-1].at.mono_ns >= record.decision.at.mono_ns else None


def _bill(record: DecisionRecord, repair: Repair, judged: Step) -> Bill:
    risk = tuple(Risk).index(repair.risk)
    # What helped was healthy for as long as verification wants to see it so.
    held_s = repair.verify.hold_s if judged.what == "verified" else 0.0
    return Bill(
        trouble_s=round(max(0.0, judged.at.seconds_since(record.decision.at) - held_s), 3),
        repair=1.0,
        risk=float(risk),
        host_wide=float(repair.blast_radius is BlastRadius.HOST),
        healthy=float(any(step.what == "collateral" for step in record.steps)),
        harm=float(judged.what == "unverified" and risk >= LASTING),
    )
