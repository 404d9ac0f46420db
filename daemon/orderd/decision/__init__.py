"""What to do about a diagnosis: candidates from contracts, a guard that may refuse, one decision. Pure but for its memory.

GuardMemory.facts(situation, now) -> Facts     everything the guard knows, recorded as evidence
choose(Case(diagnosis, considered, repairs, facts)) -> Choice
GuardMemory.started / verifying / ended ...    what came of it, kept durably
"""

from orderd.decision.candidates import candidates
from orderd.decision.consequences import CONSEQUENCES, Consequence, action_for
from orderd.decision.facts import Ending, Facts, Limits, Phase, under
from orderd.decision.facts import decode as decode_facts
from orderd.decision.facts import encode as encode_facts
from orderd.decision.guard import Ruling, rule
from orderd.decision.kept import Keep
from orderd.decision.memory import Aftermath, GuardMemory, Situation
from orderd.decision.policy import Case, Choice, choose, proposal, reconsider
from orderd.decision.precedence import cause_of
from orderd.decision.together import silent_together

__all__ = [
    "CONSEQUENCES",
    "Aftermath",
    "Case",
    "Choice",
    "Consequence",
    "Ending",
    "Facts",
    "GuardMemory",
    "Keep",
    "Limits",
    "Phase",
    "Ruling",
    "Situation",
    "action_for",
    "candidates",
    "cause_of",
    "choose",
    "decode_facts",
    "encode_facts",
    "proposal",
    "reconsider",
    "rule",
    "silent_together",
    "under",
]
