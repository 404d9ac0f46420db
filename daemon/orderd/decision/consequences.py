"""What follows from each reason code: repair, wait or call a person. Pure; the one table of it.

A reason that passes by itself, or that a person is asked about, waits; one that does not pass calls a person. Some may be waited
for only so long: ``patience_s`` after the incident was opened a person is called all the same, with the same reason code.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orderd.domain.values import Action, Reason


class Ladder(StrEnum):
    """Whether a higher rung may be taken when a reason stands against a lower one.

    STOP: no; the reason is about target, host or moment, or it passes. CLIMB: yes; the lower one is known not to help.
    STAND_IN: only one that can do no more harm; nobody knows yet whether the lower rung would have helped.
    """

    STOP = "stop"
    CLIMB = "climb"
    STAND_IN = "stand_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What follows from a reason.

    Attributes:
        action: repair, wait or escalate.
        ladder: whether a higher rung may be tried instead.
        patience_s: a wait becomes an escalation this long after the incident was opened; None: it may wait on.
        asks: a person is asked for approval meanwhile.
        people: it is what people said or do, which comes before any technical reason to wait.
    """

    action: Action
    ladder: Ladder = Ladder.STOP
    patience_s: float | None = None
    asks: bool = False
    people: bool = False


NOT_YET_S: Final = 30.0
"""A failure seen coming is waited for this long (the model names a filling disk before a repair's precondition holds); then it
is NO_CANDIDATE."""
TRANSITION_S: Final = 600.0
"""systemd's own work on a unit is waited for this long; its default time-outs (90 s) are over by then, even when chained."""
UNREACHABLE_S: Final = 300.0
"""With the trainer away and the local allowance used up, a person is called after this: nobody else will."""
COMMON_CAUSE_S: Final = 30.0
"""What makes several services silent at once is looked for and repaired within this time, or a person is called."""

_REPAIR: Final = Consequence(action=Action.REPAIR)
_WAIT: Final = Consequence(action=Action.WAIT)
_ORDERED: Final = Consequence(action=Action.WAIT, people=True)
_PERSON: Final = Consequence(action=Action.ESCALATE)
_ASK: Final = Consequence(action=Action.WAIT, ladder=Ladder.STAND_IN, asks=True)

CONSEQUENCES: Final[dict[Reason, Consequence]] = {
    Reason.ALLOWED: _REPAIR,
    Reason.APPROVED: _REPAIR,
    Reason.BY_HAND: _REPAIR,
    # What people said or do.
    Reason.PAUSED: _ORDERED,
    Reason.REJECTED: Consequence(action=Action.ESCALATE, people=True),
    Reason.APPROVAL_EXPIRED: Consequence(action=Action.ESCALATE, people=True),
    Reason.HELD: _ORDERED,
    Reason.WINDOW: _ORDERED,
    Reason.PLANNED_CHANGE: _ORDERED,
    # Authority.
    Reason.MODE_OBSERVE: Consequence(action=Action.WAIT, ladder=Ladder.STAND_IN, people=True),
    Reason.MODE_APPROVE: _ASK,
    Reason.NOT_EARNED: _ASK,
    # Experience.
    Reason.DENIED: Consequence(action=Action.ESCALATE, ladder=Ladder.CLIMB),
    Reason.MASKING: _PERSON,
    # Locks and what is under way.
    Reason.TARGET_LOCKED: _WAIT,
    Reason.HOST_BUSY: _WAIT,
    Reason.CAUSE_FIRST: _WAIT,
    Reason.COMMON_CAUSE: Consequence(action=Action.WAIT, patience_s=COMMON_CAUSE_S),
    Reason.IN_TRANSITION: Consequence(action=Action.WAIT, patience_s=TRANSITION_S),
    Reason.NOT_YET: _WAIT,
    # Rates and budgets.
    Reason.COOLDOWN: _WAIT,
    Reason.TARGET_RATE: _PERSON,
    Reason.HOST_RATE: _PERSON,
    Reason.FLEET_BUDGET: _WAIT,
    Reason.FLEET_UNREACHABLE: Consequence(action=Action.WAIT, patience_s=UNREACHABLE_S),
    # Abstention, and the end of the ladder.
    Reason.UNKNOWN_FAILURE: _PERSON,
    Reason.LOW_CONFIDENCE: _PERSON,
    Reason.NO_CANDIDATE: _PERSON,
    Reason.LADDER_EXHAUSTED: _PERSON,
    Reason.EXECUTOR_REFUSES: _PERSON,
    Reason.JOURNAL_UNAVAILABLE: _WAIT,
}


def action_for(reason: Reason, age_s: float) -> Action:
    """Return what follows from a reason for an incident of this age in seconds."""
    consequence = CONSEQUENCES[reason]
    if consequence.patience_s is not None and age_s >= consequence.patience_s:
        return Action.ESCALATE
    return consequence.action
