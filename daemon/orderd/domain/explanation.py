"""Why a decision was made, and how it would be made now. Pure, frozen."""

from dataclasses import dataclass

from orderd.domain.faults import Entity
from orderd.domain.values import Decision, DecisionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWeight:
    """How much one signal mattered: what the probability of the diagnosis becomes without it.

    Attributes:
        entity: whose signal; None for a host signal.
        signal: its name.
        value: its newest value in the window, NaN when it was missing.
        probability_without: of the recorded diagnosis, with the signal made missing in the whole window.
    """

    entity: Entity | None
    signal: str
    value: float
    probability_without: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a decision was made.

    Attributes:
        record: the decision with its steps.
        sentences: for people, in order: what was seen, what was decided, why not each other candidate.
        signals: most important first, judged by who decided: the model, or the rules, of which only those that matter are named;
            empty when no model answers, sentences then say so.
        probability: of the recorded diagnosis with all signals, by who judged now; 0 when nobody did.
        model_version: of the model that judged now; empty: the rules did, or nobody.
    """

    record: DecisionRecord
    sentences: tuple[str, ...]
    signals: tuple[SignalWeight, ...] = ()
    probability: float = 0.0
    model_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that came out differently.

    Attributes:
        field: ``diagnosis.failure``, ``diagnosis.probability``, ``action``, ``repair``, ``reason`` or ``candidates[NAME]``.
        recorded: what the record says.
        replayed: what is decided now.
    """

    field: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A recorded decision, decided again from its recorded window and facts.

    Attributes:
        record: the decision with its steps, as recorded.
        replayed: what is decided now; its ids and times are the recorded ones.
        differences: empty when both are the same.
        model_version: of the model that answered, empty for rules alone.
    """

    record: DecisionRecord
    replayed: Decision
    differences: tuple[Difference, ...]
    model_version: str = ""
