"""What was calibrated, for people, and as a section of a model's card. Pure; Markdown."""

import math
from collections.abc import Mapping
from typing import Any

from ordertrainer.evaluation.intervals import number, words

Report = Mapping[str, Any]


def section(report: Report) -> str:
    """Return the section of a card that says what confidence is worth.

    Args:
        report: what `calibrate_confidence` returned, or the same as plain values, as a checkpoint carries it.
    """
    return "\n\n".join(["## Confidence", _figures(report), _classes(report), _hosts(report)])


def _figures(report: Report) -> str:
    errors, gate = report["calibration_error"]["test"], report["wrong_min"]
    value = math.inf if gate["value"] is None else gate["value"]
    least = f"{value:.4f}" if math.isfinite(value) else "none: too few calm stretches"
    rows = [
        ("temperature", number(report["temperature"], 2)),
        ("calibration error on other hosts, before and after", f"{number(errors['before'])}, {number(errors['after'])}"),
        (
            f"label sets at {1 - report['alpha']:.2f} hold the truth of failing entities, same hosts",
            words(report["own"]["failing"]),
        ),
        ("the same, other hosts", words(report["other"]["failing"])),
        ("the same, other hosts, once their levels had half of their runs to move", words(report["other_adapted"]["failing"])),
        ("of healthy entities, other hosts", words(report["other"]["healthy"])),
        ("classes in the set of a failing entity, other hosts", words(report["other"]["size_failing"], 2)),
        ("threshold on P(anything wrong)", least),
        (f"calm stretches above it, other hosts (promised {gate['beta']:.1%})", words(gate["other"]["calm_stretches_above"])),
        ("failing runs noticed by it, other hosts", words(gate["other"]["failing_runs_noticed"])),
        ("seconds until noticed", words(gate["other"]["seconds_until_noticed"], 1)),
    ]
    return "\n".join(["| what | value (95 %) |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _classes(report: Report) -> str:
    lines = ["| class | quantile of 1 - P(class) | runs | truth held, other hosts |", "|---|---|---|---|"]
    for name, told in report["classes"].items():
        held = report["other"]["classes"].get(name)
        limit = "in every set" if told["quantile"] is None else number(told["quantile"], 4)
        note = f"{told['runs']}, of {told['runs_needed']} needed: that of all failures" if told["pooled"] else str(told["runs"])
        lines.append(f"| {name} | {limit} | {note} | {'-' if held is None else words(held)} |")
    if report["never_named"]:
        told = ", ".join(f"{name} ({count} verdicts)" for name, count in report["never_named"].items())
        lines.append(f"\nNothing is promised of what the model cannot name, which the rules do: {told}.")
    return "\n".join(lines)


def _hosts(report: Report) -> str:
    lines = [
        f"Failing entities whose set holds the truth, host by host; adaptive: the level moves by {report['gamma']:g} a run.\n",
        "| host | runs | fixed | adaptive | adaptive, later half |",
        "|---|---|---|---|---|",
    ]
    for host, told in report["hosts"].items():
        cells = (words(told[key]["failing"]) for key in ("fixed", "adaptive", "adaptive_later_half"))
        lines.append(f"| {host} | {told['runs']} | {' | '.join(cells)} |")
    return "\n".join(lines)
