"""`details.json`: what the report draws and `drill.json` does not hold: probes, signals, and orderd's own words, run by run.

Touches: nothing; `result.write` puts it beside drill.json. Times are seconds from the landing, or from the injection where
nothing landed, so that a reader needs no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from orderd.domain.values import DecisionRecord
from ordertrainer.drill.series import NS_PER_S, Probe, thinned

POINTS_MAX = 240


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """What one check saw: `spans` are [from, to, ok] of neighbouring probes that agreed; `why` is the first complaint."""

    label: str
    spans: list[tuple[float, float, bool]]
    why: str = ""
    main: bool = False


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity: `points` are [time, value]; `unit` is ratio, cores, bytes, bytes/s or s."""

    label: str
    unit: str
    points: list[tuple[float, float]]
    limit: float | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One decision in orderd's words."""

    decided_s: float
    detected_s: float
    failure: str
    entity: str
    probability: float
    source: str
    evidence: str
    other: str
    action: str
    repair: str
    reason: str
    detail: str
    heard_after_s: float
    considered: list[str]
    steps: list[tuple[float, str, str]]
    state: str


class RunDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen during one run, from `start_s` to `end_s`; `process` is the name of the process the fault started."""

    summary: str
    start_s: float
    end_s: float
    strips: list[Strip]
    signals: list[Signal]
    said: list[Said]
    took_s: float
    process: str = ""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen during a whole drill, and on what."""

    started_utc: str
    took_s: float
    boot_s: float
    install_s: float
    machine: str
    orderd: str
    runs: list[RunDetails]
    interrupted: bool = False


def strip(label: str, probes: Iterable[Probe], zero_ns: int, *, main: bool = False) -> Strip:
    """Return a check's probes as spans; a span lasts until the next probe contradicts it."""
    spans: list[tuple[float, float, bool]] = []
    why = ""
    for probe in probes:
        start, end = (probe.start_ns - zero_ns) / NS_PER_S, (probe.end_ns - zero_ns) / NS_PER_S
        why = why or (probe.why if not probe.ok else "")
        if spans and spans[-1][2] == probe.ok:
            spans[-1] = (spans[-1][0], round(end, 3), probe.ok)
        else:
            spans.append((round(start, 3), round(end, 3), probe.ok))
    return Strip(label=label, spans=spans, why=why, main=main)


def signal(label: str, unit: str, probes: Sequence[Probe], zero_ns: int, limit: float | None = None) -> Signal:
    """Return a check's values as points, thinned to what a picture can show."""
    points = [(round((at - zero_ns) / NS_PER_S, 3), round(value, 6)) for at, value in thinned(probes, POINTS_MAX)]
    return Signal(label=label, unit=unit, points=points, limit=limit)


def said(record: DecisionRecord, first_heard_ns: int, zero_ns: int) -> Said:
    """Return a decision in orderd's words, its times counted from `zero_ns`."""

    def since(mono_ns: int) -> float:
        return round((mono_ns - zero_ns) / NS_PER_S, 3)

    decision, other = record.decision, record.decision.other_diagnosis
    return Said(
        decided_s=since(decision.at.mono_ns),
        detected_s=since(decision.detected_at.mono_ns),
        failure=str(decision.diagnosis.failure),
        entity=str(decision.diagnosis.entity),
        probability=round(decision.diagnosis.probability, 4),
        source=str(decision.diagnosis.source),
        evidence=decision.diagnosis.evidence,
        other=f"{other.source}: {other.failure} ({other.probability:.2f})" if other else "",
        action=str(decision.action),
        repair=decision.repair,
        reason=str(decision.reason),
        detail=decision.detail,
        heard_after_s=round((first_heard_ns - decision.at.mono_ns) / NS_PER_S, 3),
        considered=[c.repair + (f" (not: {c.refused_because})" if c.refused_because else "") for c in decision.candidates],
        steps=[(since(step.at.mono_ns), step.what, step.detail) for step in record.steps],
        state=str(record.state),
    )
