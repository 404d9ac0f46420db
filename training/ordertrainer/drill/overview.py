"""All runs on one scale: the table's cells, and the same as one picture of its own. Pure; returns SVG text.

A run is a ray from the landing to the healthy host. Shapes tell the moments apart without colours: a bar where the fault
landed, a small circle when it was seen, a diamond when it was decided, a square when the playbook was done, a large circle when
the host was healthy.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ordertrainer.drill.result import Drill, Run, ended_well
from ordertrainer.drill.scales import Root
from ordertrainer.drill.words import fault_words, seconds_words, summary_words, target_words

CELL_WIDTH, CELL_HEIGHT, CELL_PAD = 330.0, 30.0, 12.0
NAMES = {"detected": "seen", "decided": "decided", "repaired": "playbook done", "healthy": "healthy"}
WIDTH, ROW, LEFT, RIGHT, TOP = 960.0, 34.0, 300.0, 830.0, 84.0


def longest(runs: Sequence[Run]) -> float:
    """Return the longest duration any run has to show, in seconds."""
    return max((value for run in runs for value in _moments(run).values()), default=1.0) * 1.04


def cell_scale(runs: Sequence[Run]) -> Root:
    """Return the scale of the table's column."""
    return Root(high=longest(runs), left=CELL_PAD, right=CELL_WIDTH - CELL_PAD)


def cell(run: Run, scale: Root) -> str:
    """Return a run as a cell of the table."""
    inner = "".join(_ray(run, scale, CELL_HEIGHT / 2))
    return f'<svg viewBox="0 0 {CELL_WIDTH:.0f} {CELL_HEIGHT:.0f}" role="img" aria-label="{escape(_spoken(run))}">{inner}</svg>'


def cell_axis(scale: Root) -> str:
    """Return the axis that stands in the column's head."""
    ticks = "".join(f'<text text-anchor="middle" x="{scale.x(t)}" y="13">{t:g}{" s" if t else ""}</text>' for t in scale.ticks())
    return f'<svg viewBox="0 0 {CELL_WIDTH:.0f} 16" aria-hidden="true">{ticks}</svg>'


def legend() -> str:
    """Return what the shapes mean."""
    words = {"landed": "fault landed", **NAMES}
    return "".join(
        f'<span class="key"><svg viewBox="0 0 16 14" aria-hidden="true">{_shape(kind, 8, 7)}</svg>{name}</span>'
        for kind, name in words.items()
    )


def picture(drill: Drill, style: str) -> str:
    """Return all runs as one SVG file that needs nothing else."""
    runs = [run for run in drill.runs if run.landed]
    scale = Root(high=longest(runs), left=LEFT, right=RIGHT)
    height = TOP + ROW * len(runs) + 46
    parts = [f'<text x="24" y="34" class="title">{escape(summary_words(drill))}</text>']
    parts += [
        f'<text x="{scale.x(t)}" y="{TOP - 14}" text-anchor="middle">{t:g}{" s" if t else ""}</text>' for t in scale.ticks()
    ]
    parts += [
        f'<line class="grid" x1="{scale.x(t)}" x2="{scale.x(t)}" y1="{TOP - 6}" y2="{height - 40}"/>' for t in scale.ticks()
    ]
    for number, run in enumerate(runs):
        parts += _picture_row(run, scale, TOP + ROW * number + ROW / 2)
    parts += _picture_legend(height - 16)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(summary_words(drill))}"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="var(--card)"/>{"".join(parts)}</svg>'
    )


def _picture_row(run: Run, scale: Root, y: float) -> list[str]:
    healthy = run.outcome.replace("_", " ") if run.outcome != "repaired" else seconds_words(run.seconds.healthy)
    kind = "good" if ended_well(run) else "bad"
    on = f'<tspan class="on"> {escape(target_words(run.target))}</tspan>'
    return [
        f'<text class="what" x="{LEFT - 26}" y="{y + 5}" text-anchor="end">{escape(fault_words(run.fault))}{on}</text>',
        *_ray(run, scale, y),
        f'<text class="end {kind}" x="{WIDTH - 24}" y="{y + 5}" text-anchor="end">{escape(healthy)}</text>',
    ]


def _picture_legend(y: float) -> list[str]:
    parts, x = [], LEFT
    for kind, name in {"landed": "fault landed", **NAMES}.items():
        parts += [_shape(kind, x, y - 4), f'<text x="{x + 12}" y="{y}">{name}</text>']
        x += 34 + len(name) * 6.6
    return parts


def _ray(run: Run, scale: Root, y: float) -> list[str]:
    moments = _moments(run)
    parts = [f'<line class="span" x1="{scale.left}" x2="{scale.right}" y1="{y}" y2="{y}" opacity="0.6"/>']
    if not run.landed:
        return []
    if moments:
        parts.append(f'<line class="ray" x1="{scale.left}" x2="{scale.x(max(moments.values()))}" y1="{y}" y2="{y}"/>')
    parts.append(_shape("landed", scale.left, y))
    for kind, at in moments.items():
        parts.append(f"<g>{_shape(kind, scale.x(at), y)}<title>{NAMES[kind]} {seconds_words(at)} after the landing</title></g>")
    return parts


def _moments(run: Run) -> dict[str, float]:
    return {kind: max(0.0, at) for kind in NAMES if (at := getattr(run.seconds, kind)) is not None}


def _shape(kind: str, x: float, y: float) -> str:
    match kind:
        case "landed":
            return f'<rect class="dot landed" x="{x - 1.5}" y="{y - 7}" width="3" height="14" rx="1.5"/>'
        case "decided":
            return f'<path class="dot decided" d="M{x} {y - 5.5} L{x + 5.5} {y} L{x} {y + 5.5} L{x - 5.5} {y} Z"/>'
        case "repaired":
            return f'<rect class="dot repaired" x="{x - 4}" y="{y - 4}" width="8" height="8"/>'
        case "healthy":
            return f'<circle class="dot healthy" cx="{x}" cy="{y}" r="6"/>'
        case _:
            return f'<circle class="dot detected" cx="{x}" cy="{y}" r="3.5"/>'


def _spoken(run: Run) -> str:
    moments = ", ".join(f"{NAMES[kind]} {seconds_words(at)}" for kind, at in _moments(run).items())
    return f"{fault_words(run.fault)}: {moments or run.outcome}"
