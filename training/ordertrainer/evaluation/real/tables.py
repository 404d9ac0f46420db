"""What real drills said, for people: Markdown. Pure."""

from collections.abc import Mapping
from typing import Any

from ordertrainer.evaluation.intervals import Score, number, words

Report = Mapping[str, Mapping[str, Any]]


def real_tables(report: Report) -> str:
    """Return everything about some drills, who decided in a row.

    Args:
        report: what ``measure_real`` returned.
    """
    return "\n\n".join(f"## Real drills: {who}\n\n{_figures(told)}\n\n{_mttr(told)}" for who, told in report.items())


def _figures(told: Mapping[str, Any]) -> str:
    within = (
        "within 3 repairs" if told["repairs_counted"] else "with any number of repairs (details.json is not beside all drills)"
    )
    rows: list[tuple[str, Score]] = [(f"repaired {within}: {name}", score) for name, score in told["repaired"].items()]
    rows += [("a person called where only a person can help", told["right_end"])]
    rows += [(f"held-out families: {name.replace('_', ' ')}", score) for name, score in told["held_out"].items()]
    for name, false in told["false_repairs"].items():
        hours = "hours unknown" if false["hours"] is None else f"{false['hours']:.2f} h"
        rows += [
            (f"false repairs: {name}, a run", false["runs"]),
            (f"false repairs: {name}, an hour ({hours})", false["per_hour"]),
        ]
    rows += [("runs in which something healthy was touched", told["touched_healthy"])]
    for name, pair in told["pairs"].items():
        rows += [(f"pairs, {name}: {what.replace('_', ' ')}", score) for what, score in pair.items()]
    lines = [f"{told['runs']} runs of {told['drills']} drill(s)\n", "| what | share (95 %) | of |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {words(score)} | {score.of or '-'} |" for name, score in rows)])


def _mttr(told: Mapping[str, Any]) -> str:
    lines = ["| fault | part | repaired | seconds to healthy, median (95 %) |", "|---|---|---|---|"]
    for fault, row in told["mttr_s"].items():
        lines.append(f"| {fault} | {row['part']} | {number(row['repaired'], 0)} of {row['runs']} | {words(row['seconds'], 1)} |")
    return "\n".join(lines)
