"""Why a decision was made: sentences from the record, and which signals mattered, by occlusion. Asks the model.

Occlusion: a signal is made missing in every slot of the recorded window, and the diagnoser that decided is asked again. What the
probability of the diagnosis loses is the signal's weight. The model answers ticks meanwhile: one question at a time, with a pause
after each, so that a tick waits for one of them at most.

References:
    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2 (occlusion).
"""

import asyncio
import math
from array import array
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from orderd.diagnosis import by_rules, nameless
from orderd.domain.explanation import Explanation, SignalWeight
from orderd.domain.faults import FAILURES, Failure
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import Action, Candidate, Decision, DecisionRecord, Diagnosis, Evidence, ModelInfo, Scores, Source
from orderd.domain.window import Window
from orderd.errors import InferenceError
from orderd.loop.replay import Classify, recorded_window

PAUSE_S: Final = 0.02
"""Between two questions to the model: it is idle most of the time while it explains."""
ASK_AGAIN: Final = 3
"""How often one question is asked; a tick may have come first."""
_SLOTS: Final = len(SLOT_AGES_S)
_ACTIONS: Final = {Action.REPAIR: "Decided to repair it with", Action.WAIT: "Decided to wait", Action.ESCALATE: "Called a person"}


async def explain(
    record: DecisionRecord,
    evidence: Evidence | None,
    *,
    classify: Classify,
    info: ModelInfo,
    signals_max: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Explanation:
    """Explain a decision.

    Args:
        record: as recorded.
        evidence: what it was made from.
        classify: asks the loaded model.
        info: which model that is.
        signals_max: at most this many signals.
        sleep: how to pause.

    Raises:
        StateError: its window is gone or unreadable.
    """
    window = recorded_window(evidence)
    diagnosis = record.decision.diagnosis
    said = list(sentences(record))
    if diagnosis.source is Source.RULES:
        judge, version = _rules(diagnosis), ""
        said.append("The rules decided; the signals below are those without which they would not have.")
    else:
        judge, version = _model(diagnosis, classify, sleep), info.version
    try:
        probability, signals = await _occlude(window, diagnosis, judge)
    except InferenceError as error:
        said.append(f"Which signals mattered cannot be said now: no model answers ({error}).")
        return Explanation(record=record, sentences=tuple(said))
    if version:
        said.append(f"Model {version} gives it {probability:.0%} now, with all signals.")
    return Explanation(
        record=record, sentences=tuple(said), signals=signals[:signals_max], probability=probability, model_version=version
    )


Judge = Callable[[Window], Awaitable[float]]
"""Returns the probability of the recorded diagnosis for a window."""


def _rules(diagnosis: Diagnosis) -> Judge:
    async def ask(window: Window) -> float:
        await asyncio.sleep(0)
        if diagnosis.failure is Failure.UNKNOWN:
            return float(bool(nameless(window)))
        return float(any((d.entity, d.failure) == (diagnosis.entity, diagnosis.failure) for d in by_rules(window)))

    return ask


def _model(diagnosis: Diagnosis, classify: Classify, sleep: Callable[[float], Awaitable[None]]) -> Judge:
    async def ask(window: Window) -> float:
        left = ASK_AGAIN
        while True:
            try:
                return _probability(await classify(window), window, diagnosis)
            except InferenceError:
                left -= 1
                if not left:
                    raise
            finally:
                await sleep(PAUSE_S)

    return ask


def _probability(scores: Scores, window: Window, diagnosis: Diagnosis) -> float:
    if diagnosis.failure is Failure.UNKNOWN:
        return scores.wrong
    return scores.failures[window.entities.index(diagnosis.entity)][FAILURES.index(diagnosis.failure)]


async def _occlude(window: Window, diagnosis: Diagnosis, judge: Judge) -> tuple[float, tuple[SignalWeight, ...]]:
    """Return the probability with all signals, and every present signal's weight, most important first."""
    if diagnosis.entity not in window.entities:
        return 0.0, ()
    whole = await judge(window)
    weights: list[SignalWeight] = []
    for weight, occluded in _without_each(window, window.entities.index(diagnosis.entity)):
        weights.append(replace(weight, probability_without=await judge(occluded)))
    weights.sort(key=lambda w: (-abs(whole - w.probability_without), w.entity is None, w.signal))
    if diagnosis.source is Source.RULES:
        weights = [w for w in weights if w.probability_without != whole]
    return whole, tuple(weights)


def _without_each(window: Window, index: int) -> Iterator[tuple[SignalWeight, Window]]:
    """Yield the window without each signal in turn: those of the entity, then those of the host; only what is present."""
    entity, row = window.entities[index], window.newest.entities[index]
    for column, signal in enumerate(ENTITY_SIGNALS):
        if not all(math.isnan(value) for value in window.series(index, column)):
            start = index * _SLOTS * len(ENTITY_SIGNALS) + column
            rows = _missing(window.rows, start, len(ENTITY_SIGNALS))
            weight = SignalWeight(entity=entity, signal=signal.name, value=row.values[column], probability_without=0.0)
            yield weight, replace(window, rows=rows)
    for column, signal in enumerate(HOST_SIGNALS):
        if not all(math.isnan(value) for value in window.host[column :: len(HOST_SIGNALS)]):
            host = _missing(window.host, column, len(HOST_SIGNALS))
            weight = SignalWeight(entity=None, signal=signal.name, value=window.newest.host[column], probability_without=0.0)
            yield weight, replace(window, host=host)


def _missing(values: "array[float]", start: int, width: int) -> "array[float]":
    copy = values[:]
    for slot in range(_SLOTS):
        copy[start + slot * width] = math.nan
    return copy


def sentences(record: DecisionRecord) -> Iterator[str]:
    """Yield what was seen, what was decided and why, why not each other candidate, and what came of it."""
    decision = record.decision
    yield _seen(decision)
    yield _other(decision)
    yield _decided(decision)
    for candidate in decision.candidates:
        if candidate.repair != decision.repair:
            yield _not_used(candidate, decision)
    for step in record.steps[1:]:
        took = "" if math.isnan(step.seconds) else f" after {step.seconds:.1f} s"
        outcome = f" ({step.outcome})" if step.outcome else ""
        yield f"Then: {step.what}{outcome}{took}{f': {step.detail}' if step.detail else ''}."


def _seen(decision: Decision) -> str:
    diagnosis = decision.diagnosis
    when = datetime.fromtimestamp(decision.detected_at.utc_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = "the rules" if diagnosis.source is Source.RULES else f"model {decision.model_version}"
    sure = "" if diagnosis.source is Source.RULES else f", {diagnosis.probability:.0%} sure"
    shown = diagnosis.evidence or "no evidence was recorded"
    return f"At {when} {who} saw {diagnosis.failure} of {diagnosis.entity}{sure}: {shown}."


def _other(decision: Decision) -> str:
    diagnosis, other = decision.diagnosis, decision.other_diagnosis
    by_rules_ = diagnosis.source is Source.RULES
    if by_rules_ and not decision.model_version:
        return "No model answered; the rules decided alone."
    name = "The model" if by_rules_ else "The rules"
    if other is None:
        return f"{name} saw nothing wrong with it."
    agreed = "agreed" if other.failure is diagnosis.failure else f"said {other.failure}"
    sure = f" ({other.probability:.0%})" if by_rules_ else ""
    return f"{name} {agreed}{sure}: {other.evidence}."


def _decided(decision: Decision) -> str:
    what = f"{_ACTIONS[decision.action]}{f' {decision.repair}' if decision.repair else ''}"
    return f"{what}: {decision.reason}{f' ({decision.detail})' if decision.detail else ''}."


def _not_used(candidate: Candidate, decision: Decision) -> str:
    name = f"{candidate.repair} (rung {candidate.rung})"
    if candidate.refused_because:
        return f"Not {name}: {candidate.refused_because}."
    if candidate.reason is not None and candidate.reason is not decision.reason:
        return f"Not {name}: the guard said {candidate.reason}{f' ({candidate.detail})' if candidate.detail else ''}."
    if decision.action is Action.REPAIR:
        return f"Not {name}: {decision.repair} comes first on the ladder."
    return f"Not {name}: {decision.reason}{f' ({candidate.detail})' if candidate.detail else ''}."
