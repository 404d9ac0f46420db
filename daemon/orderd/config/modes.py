"""Which mode counts for a failure class and a playbook. Pure; orderd and the executor read the same configuration with it."""

from typing import Final

from orderd.config.schema import DecisionConfig
from orderd.domain.faults import ASKED_FIRST, Failure
from orderd.domain.values import Mode

_STRICTNESS: Final = {mode: place for place, mode in enumerate(Mode)}


def stricter(one: Mode, other: Mode) -> Mode:
    """Return the mode that allows less."""
    return min(one, other, key=_STRICTNESS.__getitem__)


def mode_of(config: DecisionConfig, failure: Failure, repair: str) -> Mode:
    """Return the mode for one failure class and playbook: the class's own or ``decision.mode``, at most the playbook's.

    What somebody may have wanted is asked about, unless its class has a mode of its own.
    """
    usual = stricter(config.mode, Mode.APPROVE) if failure in ASKED_FIRST else config.mode
    mode = config.modes.failures.get(failure, usual)
    return stricter(mode, config.modes.repairs.get(repair, mode))


def laxest_mode(config: DecisionConfig, repair: str) -> Mode:
    """Return the most that any failure class allows a playbook: what the executor, which is told no failure class, checks."""
    mode = max((config.mode, *config.modes.failures.values()), key=_STRICTNESS.__getitem__)
    return stricter(mode, config.modes.repairs.get(repair, mode))
