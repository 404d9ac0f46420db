"""The picture of one run: what the prober saw, what orderd did, and when, on one axis. Pure; returns SVG text.

Layout, top to bottom: names of the moments with leader lines to their place; a lane of orderd's phases; a strip per probe, in
which good is a thin line and bad a tall block, so that it can be read without colours; the signals the fault moves; the axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from ordertrainer.drill.details import RunDetails, Signal, Strip
from ordertrainer.drill.result import Run
from ordertrainer.drill.scales import Linear, measured, spread_out
from ordertrainer.drill.words import seconds_words

WIDTH, LEFT, RIGHT = 960.0, 168.0, 944.0
LABELS_HEIGHT, LANE, STRIP, QUIET, CURVE, GAP, AXIS = 50.0, 18.0, 22.0, 12.0, 50.0, 10.0, 26.0
LABEL_GAP = 86.0
PAD_SHARE, PAD_MIN_S = 0.16, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment with a name; `kind` is its CSS class."""

    at: float
    kind: str
    name: str


def timeline(run: Run, seen: RunDetails) -> str:
    """Return the picture of a run."""
    scale = _scale(run, seen)
    marks = _marks(run)
    parts: list[str] = []
    y = LABELS_HEIGHT
    if not run.decoy and run.diagnosis:
        parts += _lane(run, scale, y)
        y += LANE + GAP
    for strip in _strips(seen):
        parts += _strip(strip, scale, y)
        y += (STRIP if strip.main else QUIET) + GAP
    for signal in seen.signals:
        if signal.points:
            parts += _curve(signal, scale, y)
            y += CURVE + GAP
    axis = _axis(scale, y)
    lines = _mark_lines(marks, scale, y)
    title = escape(f"Timeline: {run.fault}, {run.outcome}")
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH:.0f} {y + AXIS:.0f}" role="img" aria-label="{title}">'
        + "".join([*axis, *parts, *lines])
        + "</svg>"
    )


def _scale(run: Run, seen: RunDetails) -> Linear:
    """Return a time axis that shows what happened: short runs large, long ones whole."""
    moments = [m for m in (run.seconds.detected, run.seconds.decided, run.seconds.repaired, run.seconds.healthy) if m is not None]
    last = max(moments) if run.outcome == "repaired" and moments else seen.end_s
    pad = max(PAD_MIN_S, last * PAD_SHARE)
    return Linear(low=max(seen.start_s, -pad), high=max(last + pad, 0.5), left=LEFT, right=RIGHT)


def _marks(run: Run) -> list[Mark]:
    """Return the moments in order of time."""
    named = [Mark(at=0.0, kind="landed", name="decoy began" if run.decoy else "fault landed")]
    steps = (
        ("detected", "seen"),
        ("decided", "held back" if run.decoy else "decided"),
        ("repaired", "playbook done"),
        ("healthy", "healthy"),
    )
    for kind, name in steps:
        at = getattr(run.seconds, kind)
        if at is not None:
            named.append(Mark(at=at, kind=kind, name=name))
    return sorted(named, key=lambda mark: mark.at)


def _mark_lines(marks: Sequence[Mark], scale: Linear, bottom: float) -> list[str]:
    places = spread_out([scale.x(mark.at) for mark in marks], LABEL_GAP, LEFT + 20, RIGHT - LABEL_GAP / 2 + 6)
    parts = []
    for mark, place in zip(marks, places, strict=True):
        x, when = scale.x(mark.at), "0" if mark.kind == "landed" else seconds_words(mark.at)
        parts.append(
            f'<g class="mark {mark.kind}"><title>{escape(mark.name)}: {when} after the landing</title>'
            f'<path d="M{place} 31 V36 L{x} 46 V{bottom}"/>'
            f'<text x="{place}" y="13" class="name">{escape(mark.name)}</text>'
            f'<text x="{place}" y="27" class="when">{when}</text></g>'
        )
    return parts


def _lane(run: Run, scale: Linear, y: float) -> list[str]:
    times = run.seconds
    phases = [
        ("unseen", "not seen yet", 0.0, times.detected),
        ("deciding", "deciding", times.detected, times.decided),
        ("repairing", "repairing", times.decided, times.repaired),
        ("verifying", "coming back", times.repaired, times.healthy),
    ]
    parts = [_label("orderd", y + LANE / 2, strong=True)]
    for kind, name, start, end in phases:
        if start is None or end is None or end <= start:
            continue
        left, width = scale.x(start), max(1.5, scale.x(end) - scale.x(start))
        parts.append(
            f'<rect class="phase {kind}" x="{left}" y="{y}" width="{width:.2f}" height="{LANE}" rx="2">'
            f"<title>{name}: {seconds_words(end - start)}</title></rect>"
        )
        words = run.repair.name.replace("_", " ") if kind == "repairing" and run.repair else name
        if width > len(words) * 6.4 + 8:
            parts.append(f'<text class="inside {kind}" x="{left + width / 2:.2f}" y="{y + LANE / 2 + 4}">{escape(words)}</text>')
    return parts


def _strips(seen: RunDetails) -> list[Strip]:
    """Return the strips of what was broken, and one for everything else."""
    others = [strip for strip in seen.strips if not strip.main]
    rest = Strip(label="everything else" if len(others) < len(seen.strips) else "all services", spans=_merged(others))
    return [*(strip for strip in seen.strips if strip.main), *([rest] if rest.spans else [])]


def _merged(strips: Iterable[Strip]) -> list[tuple[float, float, bool]]:
    """Return one good span over all, and above it the bad ones of any."""
    spans = [span for strip in strips for span in strip.spans]
    if not spans:
        return []
    whole = (min(s[0] for s in spans), max(s[1] for s in spans), True)
    return [whole, *sorted(span for span in spans if not span[2])]


def _strip(strip: Strip, scale: Linear, y: float) -> list[str]:
    height = STRIP if strip.main else QUIET
    parts = [_label(strip.label, y + height / 2, strong=strip.main)]
    for start, end, ok in strip.spans:
        if end < scale.low or start > scale.high:
            continue
        left, right = scale.x(start), scale.x(end)
        tall, kind = (3.0, "good") if ok else (height, "bad")
        words = "answers as it should" if ok else f"does not: {strip.why}" if strip.why else "does not"
        parts.append(
            f'<rect class="{kind}" x="{left}" y="{y + (height - tall) / 2:.1f}" width="{max(1.2, right - left):.2f}" '
            f'height="{tall}" rx="1.5"><title>{escape(strip.label)}, {start:.2f} to {end:.2f} s: {escape(words)}</title></rect>'
        )
    return parts


def _curve(signal: Signal, scale: Linear, y: float) -> list[str]:
    points = _visible(signal.points, scale)
    if not points:
        return []
    highest = max([value for _, value in points] + [signal.limit or 0.0])
    ceiling = 1.0 if signal.unit == "ratio" else highest * 1.08 or 1.0

    def height(value: float) -> float:
        return round(y + CURVE - min(1.0, max(0.0, value / ceiling)) * CURVE, 1)

    path = " ".join(f"{scale.x(at)},{height(value)}" for at, value in points)
    ground = f"{scale.x(points[0][0])},{y + CURVE} {path} {scale.x(points[-1][0])},{y + CURVE}"
    first, peak, last = (measured(v, signal.unit) for v in (points[0][1], max(v for _, v in points), points[-1][1]))
    title = f"<title>{escape(signal.label)}: {first} at first, {peak} at most, {last} at the end</title>"
    return [
        _label(signal.label, y + CURVE / 2 - 7),
        f'<text class="label faint" x="{LEFT - 14}" y="{y + CURVE / 2 + 11}">peak {peak}</text>',
        f'<polygon class="area" points="{ground}">{title}</polygon><polyline class="curve" points="{path}">{title}</polyline>',
        _level("base", y + CURVE),
        *([_level("limit", height(signal.limit), f"limit: {measured(signal.limit, signal.unit)}")] if signal.limit else []),
    ]


def _level(kind: str, y: float, title: str = "") -> str:
    return f'<line class="{kind}" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"><title>{title}</title></line>'


def _visible(points: Sequence[tuple[float, float]], scale: Linear) -> list[tuple[float, float]]:
    """Return the points on the axis, with the line's own value where it crosses an edge, so that it does not end in mid-air."""
    inside = [(at, value) for at, value in points if scale.low <= at <= scale.high]
    edges = []
    for (a, before), (b, after) in pairwise(points):
        edges += [(edge, before + (after - before) * (edge - a) / (b - a)) for edge in (scale.low, scale.high) if a < edge < b]
    return sorted([*inside, *edges])


def _axis(scale: Linear, y: float) -> list[str]:
    parts = []
    for tick in scale.ticks():
        x = scale.x(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{LABELS_HEIGHT - 2}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{y + 15}">{tick:g}{" s" if tick else ""}</text>')
    return parts


def _label(text: str, y: float, *, strong: bool = False) -> str:
    return f'<text class="label{" strong" if strong else ""}" x="{LEFT - 14}" y="{y + 4:.1f}">{escape(text)}</text>'
