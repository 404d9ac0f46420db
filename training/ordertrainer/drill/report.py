"""`report.html`: what a drill found, for people; one file that needs no network, no script and no explanation.

Touches: reads its template and styles beside this file. Everything that comes from a host is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from ordertrainer.drill import overview
from ordertrainer.drill.details import Details, RunDetails, Said
from ordertrainer.drill.result import Diagnosis, Drill, Run, ended_well, passed
from ordertrainer.drill.scales import Root
from ordertrainer.drill.timeline import timeline
from ordertrainer.drill.words import fault_words, number, seconds_words, target_words

HERE = Path(__file__).parent
PICTURE_ONLY = """
text { font-family: ui-sans-serif, system-ui, "Segoe UI", Arial, "DejaVu Sans", sans-serif; }
.title { font-size: 17px !important; font-weight: 700; fill: var(--ink) !important; }
.what { font-size: 14px !important; font-weight: 600; fill: var(--ink) !important; }
.what .on { font-weight: 400; fill: var(--soft); }
.end { font-size: 14px !important; font-weight: 650; } .end.good { fill: var(--good); } .end.bad { fill: var(--bad); }
"""


def render(drill: Drill, seen: Details) -> str:
    """Return the report as one HTML document."""
    scale = overview.cell_scale(drill.runs)
    pairs = list(zip(drill.runs, seen.runs, strict=True))
    return Template((HERE / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"orderd drill: {_plain_headline(drill)}"),
        style=(HERE / "report.css").read_text(encoding="utf-8") + (HERE / "picture.css").read_text(encoding="utf-8"),
        when=f"{escape(seen.started_utc)} UTC",
        verdict="passed" if passed(drill) else "failed",
        headline=_headline(drill),
        lead=_lead(drill, seen),
        tiles=_tiles(drill),
        axis=overview.cell_axis(scale),
        rows="\n".join(_row(n, run, details, scale) for n, (run, details) in enumerate(pairs, 1)),
        legend=overview.legend(),
        cards="\n".join(_card(n, run, details) for n, (run, details) in enumerate(pairs, 1)),
        facts=_facts(drill, seen),
    )


def overview_file(drill: Drill) -> str:
    """Return the picture of all runs as an SVG file of its own."""
    palette, _, _ = (HERE / "report.css").read_text(encoding="utf-8").partition("* {")
    return overview.picture(drill, palette + (HERE / "picture.css").read_text(encoding="utf-8") + PICTURE_ONLY)


def _faults(drill: Drill) -> list[Run]:
    return [run for run in drill.runs if run.landed and not run.decoy and run.outcome != "not_seen"]


def _decoys(drill: Drill) -> list[Run]:
    return [run for run in drill.runs if run.landed and run.decoy]


def _good(runs: Sequence[Run]) -> int:
    return sum(ended_well(run) for run in runs)


def _end_words(faults: Sequence[Run]) -> str:
    """Return what became of the faults that ended well."""
    handed = any(run.outcome == "escalated" and ended_well(run) for run in faults)
    return "repaired or in a person's hands" if handed else "repaired"


def _plain_headline(drill: Drill) -> str:
    faults = _faults(drill)
    return f"{_good(faults)} of {number(len(faults), 'fault')} {_end_words(faults)}"


def _headline(drill: Drill) -> str:
    faults, decoys = _faults(drill), _decoys(drill)
    parts = []
    if faults:
        parts.append(f"{number(len(faults), 'fault')}, <em>{_all_or(_good(faults), len(faults))}{_end_words(faults)}.</em>")
    if decoys:
        parts.append(f'<span class="dim">{number(len(decoys), "decoy")}, {_all_or(_good(decoys), len(decoys))}left alone.</span>')
    if drill.summary.counts.not_seen:
        parts.append(f'<span class="dim">{drill.summary.counts.not_seen} not seen.</span>')
    return " ".join(parts) or "<em>Nothing landed.</em>"


def _all_or(good: int, of: int) -> str:
    """Return the word before "repaired", with its blank."""
    if good == of:
        return {1: "", 2: "both "}.get(of, "all ")
    return f"only {good} " if good else "none "


def _lead(drill: Drill, seen: Details) -> str:
    median = drill.summary.seconds.healthy.median
    healed = f" Half of the repaired ones were healthy again within {seconds_words(median)}." if median is not None else ""
    times = number(len(drill.runs), "time")
    return (
        f"A disposable copy of this machine was broken on purpose {times}. orderd had to notice, decide, "
        f"repair and prove it, and to keep its hands off what only looked broken.{healed} The whole drill took "
        f"{seen.took_s / 60:.1f} minutes."
    )


def _tiles(drill: Drill) -> str:
    counts, seconds = drill.summary.counts, drill.summary.seconds
    decided = counts.by_model + counts.by_rules
    tiles = [
        (seconds_words(seconds.healthy.median), "until healthy again, median", False),
        (seconds_words(seconds.healthy.maximum), "until healthy again, slowest", False),
        (seconds_words(seconds.detected.median), "until orderd saw it, median", False),
        (f"{counts.by_model} of {decided}", "diagnoses by the order model, the rest by rules", False),
        (str(counts.touched_healthy), "runs in which something healthy was touched", counts.touched_healthy > 0),
        (
            str(sum(len(run.residue) for run in drill.runs)),
            "things left behind on the host",
            any(run.residue for run in drill.runs),
        ),
    ]
    return "".join(
        f"<div{' class=warn' if warn else ''}><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>"
        for value, what, warn in tiles
    )


def _badge(run: Run) -> str:
    return f'<span class="badge {run.outcome}">{run.outcome.replace("_", " ")}</span>'


def _row(n: int, run: Run, seen: RunDetails, scale: Root) -> str:
    said = run.diagnosis
    diagnosis = f"{escape(said.failure.replace('_', ' '))}<small>{_source(said)}</small>" if said else "&ndash;"
    what = "decoy: looks broken, is not" if run.decoy else escape(_target(run, seen))
    name = fault_words(run.fault) + f"<small>{what}{_where(run)}</small>"
    healthy = seconds_words(run.seconds.healthy) if run.outcome == "repaired" else "&ndash;"
    repair = escape(run.repair.name.replace("_", " ")) if run.repair else "nothing" if run.decoy and run.landed else "&ndash;"
    return (
        f'<tr><td><a href="#run-{n}">{name}</a></td><td>{_badge(run)}</td><td>{diagnosis}</td><td class="wrap">{repair}</td>'
        f'<td class="plot">{overview.cell(run, scale)}</td><td class="num">{healthy}</td></tr>'
    )


def _where(run: Run) -> str:
    """Return on which host and beside which other fault, where there are several."""
    host = f" on {escape(run.host)}" if run.host else ""
    return host + (f", together with {escape(', '.join(map(fault_words, run.beside)))}" if run.beside else "")


def _target(run: Run, seen: RunDetails) -> str:
    """Return how the target is called; a process by its name, which says more than its number."""
    return seen.process or target_words(run.target)


def _source(said: Diagnosis) -> str:
    return "by rules" if said.source == "rules" else f"by the order model, {said.probability:.0%} sure"


def _card(n: int, run: Run, seen: RunDetails) -> str:
    name = fault_words(run.fault)
    title = f"{name[0].upper()}{name[1:]}: {_target(run, seen)}"
    big = f'<span class="big">{seconds_words(run.seconds.healthy)}</span>' if run.outcome == "repaired" else ""
    hard = f" ({run.intensity.value:.3g} {escape(run.intensity.unit)})" if run.intensity else ""
    alarms = [f"touched: {what}" for what in run.touched or ()] + [f"left on the host: {thing}" for thing in run.residue]
    return (
        f'<article class="card" id="run-{n}"><header><h3>{escape(title)}</h3>{_badge(run)}{big}</header>'
        f'<p class="what">{escape(seen.summary)}{hard}{_where(run)}</p><p>{_story(run, seen)}</p>'
        + "".join(f'<p class="alarm">{escape(alarm)}</p>' for alarm in alarms)
        + (timeline(run, seen) if run.landed else "")
        + "".join(_said(said) for said in seen.said)
        + "</article>"
    )


def _story(run: Run, seen: RunDetails) -> str:
    """Return what happened, in a sentence or two."""
    if run.outcome == "void":
        return f"This run does not count: {escape(run.reason)}."
    if run.decoy:
        return _decoy_story(run, seen)
    if run.diagnosis is None:
        return f"{escape(run.reason.capitalize())}."
    said, times = run.diagnosis, run.seconds
    text = (
        f"orderd saw it after {seconds_words(times.detected)}: <b>{escape(said.failure.replace('_', ' '))}</b> on "
        f"<code>{escape(said.entity)}</code>, diagnosed {_source(said)}."
    )
    if run.repair:
        text += f" It ran <code>{escape(run.repair.name)}</code>"
        text += f"; healthy again after {seconds_words(times.healthy)}." if run.outcome == "repaired" else "."
    return text + (f" {escape(run.reason.capitalize())}." if run.reason else "")


def _decoy_story(run: Run, seen: RunDetails) -> str:
    if run.outcome != "left_alone":
        return f"{escape(run.reason.capitalize())}."
    held = next((said for said in seen.said if said.reason), None)
    if held:
        why = escape(held.detail or held.reason.replace("_", " "))
        return f"orderd saw <b>{escape(held.failure.replace('_', ' '))}</b> and kept its hands off: {why}."
    return "orderd saw nothing wrong, and nothing was."


def _said(said: Said) -> str:
    """Return one decision in orderd's own words, folded away."""
    log = [
        (said.detected_s, "seen", said.evidence),
        (said.decided_s, "decided", f"{said.action} {said.repair}: {said.reason.replace('_', ' ')}. {said.detail}"),
        *((at, what, detail) for at, what, detail in said.steps),
    ]
    lines = "".join(f"<span>{at:.3f} s</span><span>{escape(what)}</span><span>{escape(text)}</span>" for at, what, text in log)
    other = f"<p class=sub>The other diagnoser: {escape(said.other)}</p>" if said.other else ""
    considered = f"<p class=sub>Considered: {escape('; '.join(said.considered))}</p>" if said.considered else ""
    title = f"{said.failure.replace('_', ' ')}, {said.action} {said.repair.replace('_', ' ')}".strip()
    return (
        f"<details><summary>orderd&rsquo;s record: {escape(title)}, {escape(said.state)}</summary>"
        f'<div class="log">{lines}</div>{other}{considered}</details>'
    )


def _facts(drill: Drill, seen: Details) -> str:
    model = (
        f"{drill.model.version} on {drill.model.provider} (sha256 {drill.model.sha256[:16]})"
        if drill.model.version
        else "none: rules alone"
    )
    facts = {
        "Machine": seen.machine,
        "Host": f"{drill.host}, booted in {seen.boot_s:.1f} s, orderd {seen.orderd} installed in {seen.install_s:.0f} s",
        "Order model": model,
        "Seed": f"{drill.seed} (the same battery with this seed breaks the same things again)"
        if drill.battery
        else f"{drill.seed} (make drill SEED={drill.seed} breaks the same things again)",
    }
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
