"""Decide a recorded decision again, from what it was made from, and tell the difference. Pure but for the question to the model.

The recorded window and facts stay; the model, the rules, the catalogue and the configuration are those of now. With all of them
unchanged, a decision comes out as it was recorded.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from orderd.config import Config
from orderd.decision import Choice, Facts, decode_facts, reconsider, rule, under
from orderd.diagnosis import Opinion, by_model, by_rules, merge, nameless, untaught
from orderd.domain.explanation import Difference, Replay
from orderd.domain.faults import Failure
from orderd.domain.packed import unpack
from orderd.domain.repairs import Repair
from orderd.domain.values import (
    Action,
    Candidate,
    Decision,
    DecisionRecord,
    Diagnosis,
    Evidence,
    ModelInfo,
    Reason,
    Scores,
    Source,
)
from orderd.domain.window import Window
from orderd.errors import InferenceError, StateError

Classify = Callable[[Window], Awaitable[Scores]]
"""Has a model judge a window; raises InferenceError when it cannot."""

_SAME: Final = 1e-4
"""Two probabilities that differ by less are the same: float32 and the order of sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a decision is decided with.

    Attributes:
        classify: asks the model.
        info: which model that is.
        config: limits and modes.
        repairs: the catalogue by name.
    """

    classify: Classify
    info: ModelInfo
    config: Config
    repairs: Mapping[str, Repair]


def recorded_window(evidence: Evidence | None) -> Window:
    """Return the window a decision was made from.

    Raises:
        StateError: it was dropped to save room, or cannot be read.
    """
    if evidence is None or evidence.window is None:
        msg = "what it was decided from is no longer kept (journal.evidence_bytes_max)"
        raise StateError("evidence_dropped", msg)
    try:
        return unpack(evidence.window)
    except ValueError as error:
        raise StateError("evidence_damaged", str(error)) from error


async def replay(record: DecisionRecord, evidence: Evidence | None, bench: Bench) -> Replay:
    """Decide again.

    Args:
        record: as recorded.
        evidence: what it was made from.
        bench: what to decide with now.

    Raises:
        StateError: the evidence is gone or unreadable.
    """
    window = recorded_window(evidence)
    try:
        facts = decode_facts(evidence.facts if evidence else b"")
    except ValueError as error:
        raise StateError("evidence_damaged", f"what the guard knew cannot be read: {error}") from error
    try:
        scores = await bench.classify(window)
    except InferenceError:
        scores = None
    opinion = _opinion(record.decision, window, scores, bench.config)
    choice = _choose(record.decision, opinion.chosen, window, under(facts, bench.config, dict(bench.repairs)), bench)
    replayed = replace(
        record.decision,
        diagnosis=opinion.chosen,
        other_diagnosis=opinion.other,
        action=choice.action,
        repair=choice.repair if choice.action is Action.REPAIR else "",
        reason=choice.reason,
        detail=choice.detail,
        candidates=choice.considered,
        model_version="" if scores is None else bench.info.version,
        provider="" if scores is None else bench.info.provider,
    )
    return Replay(
        record=record,
        replayed=replayed,
        differences=differences(record.decision, replayed),
        model_version=replayed.model_version,
    )


def _opinion(decision: Decision, window: Window, scores: Scores | None, config: Config) -> Opinion:
    """Return what is said of the decision's entity now; OK where nothing is wrong with it."""
    entity = decision.diagnosis.entity
    model = () if scores is None else by_model(window, scores)
    for opinion in merge(by_rules(window), model, config.inference.confidence_min, untaught(window, scores)):
        if opinion.chosen.entity == entity:
            return opinion
    unsure = next((d for d in model if d.entity == entity), None)
    if unsure is not None:
        return Opinion(chosen=unsure, other=None)
    recorded = decision.diagnosis
    if decision.reason is Reason.BY_HAND:
        return Opinion(chosen=recorded, other=decision.other_diagnosis)
    unknown = recorded.failure is Failure.UNKNOWN
    if unknown and (plain := nameless(window)):
        return Opinion(chosen=replace(recorded, probability=1.0, source=Source.RULES, evidence=plain), other=None)
    if unknown and scores is not None and scores.wrong >= config.decision.unknown_min:
        return Opinion(chosen=replace(recorded, probability=scores.wrong), other=None)
    source = Source.RULES if scores is None else Source.MODEL
    return Opinion(chosen=Diagnosis(failure=Failure.OK, entity=entity, probability=1.0, source=source), other=None)


def _choose(decision: Decision, diagnosis: Diagnosis, window: Window, facts: Facts, bench: Bench) -> Choice:
    if decision.reason is Reason.BY_HAND and decision.repair in bench.repairs:
        ruling = rule(facts, bench.repairs[decision.repair], by_hand=True)
        action = Action.REPAIR if ruling.allowed else Action.WAIT
        said = (
            Candidate(
                repair=decision.repair, rung=bench.repairs[decision.repair].rung, reason=ruling.reason, detail=ruling.detail
            ),
        )
        return Choice(action=action, repair=decision.repair, reason=ruling.reason, detail=ruling.detail, considered=said)
    if diagnosis.failure is Failure.OK:
        detail = f"nothing is wrong with {diagnosis.entity}: no decision would be made"
        return Choice(action=Action.WAIT, repair="", reason=Reason.NO_CANDIDATE, detail=detail)
    choice = reconsider(facts, diagnosis, window.newest.row(diagnosis.entity), bench.repairs)
    if decision.reason is Reason.EXECUTOR_REFUSES and choice.action is Action.REPAIR:
        # The guard would allow it, as it did; that the executor kept refusing is not a matter of judgement.
        return replace(choice, action=decision.action, repair="", reason=decision.reason, detail=decision.detail)
    return choice


def differences(recorded: Decision, replayed: Decision) -> tuple[Difference, ...]:
    """Return every field of the judgement that came out differently."""
    pairs = [
        ("diagnosis.failure", str(recorded.diagnosis.failure), str(replayed.diagnosis.failure)),
        ("diagnosis.source", str(recorded.diagnosis.source), str(replayed.diagnosis.source)),
        ("action", str(recorded.action), str(replayed.action)),
        ("repair", recorded.repair, replayed.repair),
        ("reason", str(recorded.reason), str(replayed.reason)),
    ]
    one, other = recorded.diagnosis.probability, replayed.diagnosis.probability
    if abs(one - other) > _SAME:
        pairs.insert(2, ("diagnosis.probability", f"{one:.4f}", f"{other:.4f}"))
    before, after = ({c.repair: _word(c) for c in d.candidates} for d in (recorded, replayed))
    pairs += [(f"candidates[{name}]", before.get(name, ""), after.get(name, "")) for name in sorted({*before, *after})]
    return tuple(Difference(field=field, recorded=old, replayed=new) for field, old, new in pairs if old != new)


def _word(candidate: Candidate) -> str:
    return candidate.refused_because or (str(candidate.reason) if candidate.reason else "usable")
