"""What to do about a diagnosis: candidates from contracts, a guard that may refuse, one decision. Pure but for its memory."""

from orderd.decision.candidates import candidates
from orderd.decision.guard import Guard, Ruling
from orderd.decision.holds import Holds
from orderd.decision.policy import Choice, choose
from orderd.decision.precedence import cause_of

__all__ = ["Choice", "Guard", "Holds", "Ruling", "candidates", "cause_of", "choose"]
