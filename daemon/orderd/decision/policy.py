"""The policy: repair, wait or escalate. Pure: a recorded case is decided again with the same outcome.

    abstain? -> anything usable? -> ask the guard about every usable repair -> climb the ladder -> causes before consequences

The lowest rung is proposed and the guard disposes. A higher rung is taken instead only when the lower one is known not to help,
or when it can do no more harm; what passes by itself is waited for (`orderd.decision.consequences`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.decision.candidates import candidates
from orderd.decision.consequences import CONSEQUENCES, NOT_YET_S, Ladder, action_for
from orderd.decision.facts import Facts
from orderd.decision.guard import Ruling, announced, being_changed, rule
from orderd.decision.precedence import cause_of
from orderd.domain.faults import Failure
from orderd.domain.repairs import BlastRadius, Repair, Risk
from orderd.domain.values import Action, Candidate, Decision, Diagnosis, EntityRow, Reason, Source

_HARM: Final = {risk: place for place, risk in enumerate(Risk)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One diagnosis with everything needed to decide about it.

    Attributes:
        diagnosis: what is wrong.
        considered: every catalogued repair for it, by rung, from `orderd.decision.candidates`.
        repairs: the catalogue by name.
        facts: what the guard knows.
    """

    diagnosis: Diagnosis
    considered: tuple[Candidate, ...]
    repairs: Mapping[str, Repair]
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen and why.

    Attributes:
        action: repair, wait or escalate.
        repair: the repair proposed; also named when the guard refused it, empty when there was none.
        reason: stable code.
        detail: for people.
        considered: the candidates, each usable one with what the guard said of it.
    """

    action: Action
    repair: str
    reason: Reason
    detail: str
    considered: tuple[Candidate, ...] = ()

    @property
    def asks(self) -> bool:
        """Tell whether a person is to be asked for approval of ``repair``."""
        return self.action is Action.WAIT and CONSEQUENCES[self.reason].asks

    def needs_lease(self, facts: Facts) -> bool:
        """Tell whether only the fleet's budget is missing, and has not been asked yet: ask it, then choose again."""
        return self.reason is Reason.FLEET_BUDGET and facts.lease is None


def choose(case: Case) -> Choice:
    """Choose what to do about one diagnosis.

    Args:
        case: the diagnosis and everything known about it; ``facts.failure`` follows the diagnosis.

    Returns:
        The choice, with the guard's word on every usable candidate.
    """
    facts = replace(case.facts, failure=case.diagnosis.failure)
    rulings = {c.repair: rule(facts, case.repairs[c.repair]) for c in case.considered if not c.refused_because}
    considered = tuple(_with_ruling(c, rulings.get(c.repair)) for c in case.considered)
    choice = _stand_aside(case, facts) or _abstain(case, facts) or _climb(case, facts, rulings)
    return replace(choice, considered=considered)


def reconsider(facts: Facts, diagnosis: Diagnosis, row: EntityRow | None, repairs: Mapping[str, Repair]) -> Choice:
    """Decide a recorded decision again, maybe about another diagnosis of the same entity.

    Args:
        facts: as recorded (`orderd.decision.facts.decode`), or as they would be under another configuration.
        diagnosis: what is to be answered now.
        row: the target's signals in the newest slot of the recorded window.
        repairs: the catalogue by name.
    """
    considered = candidates(diagnosis, row, repairs.values(), facts.tried)
    return choose(Case(diagnosis=diagnosis, considered=considered, repairs=repairs, facts=facts))


def proposal(decision: Decision) -> str:
    """Return the repair a recorded decision ran or would have run; empty when there was none.

    A wait has no repair of its own; what waited is the lowest candidate that was refused for the decision's reason. A person's
    rating of it is the shadow outcome of a host that only observes.
    """
    refused = (c.repair for c in decision.candidates if c.reason is decision.reason)
    return decision.repair or next(refused, "")


def _with_ruling(candidate: Candidate, ruling: Ruling | None) -> Candidate:
    return candidate if ruling is None else replace(candidate, reason=ruling.reason, detail=ruling.detail)


def _choice(reason: Reason, detail: str, facts: Facts, repair: str = "") -> Choice:
    return Choice(action=action_for(reason, facts.age_s), repair=repair, reason=reason, detail=detail)


def _stand_aside(case: Case, facts: Facts) -> Choice | None:
    """Wait while somebody else is at work on the target: people who said so or were seen, then systemd itself."""
    # With a usable repair the guard says this too, in its order; without one nobody is called about announced work.
    usable = any(not c.refused_because for c in case.considered)
    if not usable and (ruling := announced(facts) or being_changed(facts)):
        return _choice(ruling.reason, ruling.detail, facts)
    looping = case.diagnosis.failure is Failure.SERVICE_CRASH_LOOP
    if facts.in_transition and not looping:
        return _choice(Reason.IN_TRANSITION, "systemd is already working on it", facts)
    return None


def _abstain(case: Case, facts: Facts) -> Choice | None:
    """Call a person about what nobody can name with confidence: never a guess."""
    diagnosis, least = case.diagnosis, facts.limits.confidence_min
    if diagnosis.failure in {Failure.UNKNOWN, Failure.OK}:
        detail = diagnosis.evidence or "something is wrong and nobody can name it"
        return _choice(Reason.UNKNOWN_FAILURE, detail, facts)
    if diagnosis.source is Source.MODEL and not diagnosis.probability >= least:
        detail = f"{diagnosis.failure} with probability {diagnosis.probability:.2f}, below {least:g} (inference.confidence_min)"
        return _choice(Reason.LOW_CONFIDENCE, detail, facts)
    return None


def _climb(case: Case, facts: Facts, rulings: Mapping[str, Ruling]) -> Choice:
    usable = [case.repairs[c.repair] for c in case.considered if not c.refused_because]
    if not usable:
        return _nothing_usable(case.considered, facts)
    repair = _rung(usable, rulings)
    ruling = rulings[repair.name]
    if CONSEQUENCES[ruling.reason].people:
        return _choice(ruling.reason, ruling.detail, facts, repair.name)
    if len(facts.tried) >= facts.limits.repairs_per_incident:
        detail = f"{len(facts.tried)} repairs tried (decision.repairs_per_incident)"
        return _choice(Reason.LADDER_EXHAUSTED, detail, facts)
    cause = cause_of(case.diagnosis, facts.others)
    if cause is not None:
        detail = f"{cause.failure} of {cause.entity} comes first: it may be the cause"
        return _choice(Reason.CAUSE_FIRST, detail, facts, repair.name)
    if case.diagnosis.failure in {Failure.SERVICE_HUNG, Failure.DNS_BROKEN} and facts.silent_together:
        detail = (
            f"{facts.silent_together} services that run stopped answering at once: what they share is broken, not each of them"
        )
        return _choice(Reason.COMMON_CAUSE, detail, facts)
    return _choice(ruling.reason, ruling.detail, facts, repair.name)


def _rung(usable: list[Repair], rulings: Mapping[str, Ruling]) -> Repair:
    """Walk up the ladder: the first rung that may be taken and is allowed; else the first that is not known to be of no help."""
    refused: list[Repair] = []
    for repair in usable:
        if not all(_may_replace(lower, repair, rulings[lower.name].reason) for lower in refused):
            continue
        if rulings[repair.name].allowed:
            return repair
        refused.append(repair)
        if CONSEQUENCES[rulings[repair.name].reason].ladder is Ladder.STOP:
            break
    lasting = (r for r in refused if CONSEQUENCES[rulings[r.name].reason].ladder is not Ladder.CLIMB)
    return next(lasting, refused[0])


def _may_replace(lower: Repair, higher: Repair, reason: Reason) -> bool:
    """Tell whether a higher rung may be taken although a lower one was refused for this reason."""
    ladder = CONSEQUENCES[reason].ladder
    if ladder is Ladder.CLIMB:
        return True
    no_wider = higher.blast_radius is BlastRadius.UNIT or lower.blast_radius is BlastRadius.HOST
    return ladder is Ladder.STAND_IN and no_wider and _HARM[higher.risk] <= _HARM[lower.risk]


def _nothing_usable(considered: Iterable[Candidate], facts: Facts) -> Choice:
    if facts.tried:
        return _choice(Reason.LADDER_EXHAUSTED, f"{len(facts.tried)} repairs tried, none left", facts)
    why = "; ".join(f"{c.repair}: {c.refused_because}" for c in considered)
    if why and facts.age_s < NOT_YET_S:
        return _choice(Reason.NOT_YET, why, facts)
    return _choice(Reason.NO_CANDIDATE, why or "no repair is catalogued for it", facts)
