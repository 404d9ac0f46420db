"""The policy: repair, wait or escalate. Pure.

The lowest usable rung is proposed; the guard disposes. Nothing usable and nothing tried -> escalate (no candidate); everything
tried -> escalate (ladder exhausted); refused for a reason that passes by itself -> wait.
"""

from collections.abc import Mapping
from typing import Final

from orderd.decision.before_guard import Guard
from orderd.decision.policy import Choice
from orderd.domain.clock import Instant
from orderd.domain.faults import Entity
from orderd.domain.repairs import Repair
from orderd.domain.values import Action, Candidate, Reason

PASSES_BY_ITSELF: Final = frozenset({Reason.HELD, Reason.COOLDOWN, Reason.MODE_OBSERVE, Reason.MODE_APPROVE})


def choose(
    considered: tuple[Candidate, ...], *, repairs: Mapping[str, Repair], target: Entity, attempts: int, guard: Guard, now: Instant
) -> Choice:
    """Choose what to do about one diagnosis.

    Args:
        considered: the candidates, by rung.
        repairs: the catalogue by name.
        target: the failing entity.
        attempts: repairs this incident has tried.
        guard: may refuse.
        now: the current moment.
    """
    usable = [c for c in considered if not c.refused_because]
    if not usable:
        return _nothing_usable(considered, attempts)
    best = usable[0]
    ruling = guard.rule(repairs[best.repair], target, now)
    if ruling.allowed:
        return Choice(action=Action.REPAIR, repair=best.repair, reason=Reason.ALLOWED, detail=repairs[best.repair].summary)
    action = Action.WAIT if ruling.reason in PASSES_BY_ITSELF else Action.ESCALATE
    return Choice(action=action, repair=best.repair, reason=ruling.reason, detail=ruling.detail)


def _nothing_usable(considered: tuple[Candidate, ...], attempts: int) -> Choice:
    if attempts:
        detail = f"{attempts} repairs tried, none left"
        return Choice(action=Action.ESCALATE, repair="", reason=Reason.LADDER_EXHAUSTED, detail=detail)
    why = "; ".join(f"{c.repair}: {c.refused_because}" for c in considered) or "no repair is catalogued for it"
    return Choice(action=Action.ESCALATE, repair="", reason=Reason.NO_CANDIDATE, detail=why)
