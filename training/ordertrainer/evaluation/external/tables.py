"""What was measured on a foreign series, for people: Markdown. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from orderd.domain.signals import HOST_SIGNALS
from ordertrainer.evaluation.intervals import number, words

Report = Mapping[str, Any]

_FOUND: Final = (
    "label", "scorer", "AUC (95 %)", "average precision", "samples found", "events found", "found by chance", "onset delay, s"
)  # fmt: skip


def external_tables(report: Report) -> str:
    """Return everything about one series.

    Args:
        report: what ``examine`` returned.
    """
    parts = [f"## {report['file']}", _about(report), _areas(report), _found(report)]
    return "\n\n".join(part for part in parts if part)


def _about(report: Report) -> str:
    channels = report["channels"]
    seen = len(channels["mapped"])
    missing = [signal.name for signal in HOST_SIGNALS if signal.name not in channels["mapped"]]
    labels = ", ".join(f"{name} {count}" for name, count in report["labels"].items()) or "none"
    runs = f"{report['samples']} samples of {report['period_s']:g} s in {report['runs']} run(s), {report['blocks']} blocks"
    shown = f" ({', '.join(channels['mapped'])})" if seen else ""
    lines = [
        f"{runs}; wrong: {labels}; quiet {report['quiet']}",
        f"shown to the order model: {seen} of {seen + len(channels['unmapped'])} channels{shown}",
    ]
    if channels["entities"]:
        lines.append(f"entity signals stand for one {', one '.join(channels['entities'])}")
    if channels["unmapped"]:
        lines.append(f"could not be mapped: columns {', '.join(map(str, channels['unmapped']))}; only its peers see them")
    if missing:
        lines.append(f"host signals the file does not have: {', '.join(missing)}")
    lines += report["remarks"]
    lines += [f"{name} is not scored: {why}" for name, why in report["not_scored"].items()]
    return "\n".join(f"- {line}" for line in lines)


def _areas(report: Report) -> str:
    lines = ["| scorer | AUC (95 %) | average precision (95 %) | false alarms, share | an hour |", "|---|---|---|---|---|"]
    for name, scored in report["scorers"].items():
        cells = (
            words(scored["auc"]),
            words(scored["average_precision"]),
            words(scored["false_alarms"]["share"]),
            words(scored["false_alarms"]["per_hour"], 2),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    chance = next(iter(report["scorers"].values()))["average_precision_of_chance"]
    return "\n".join([*lines, f"\nChance has an AUC of 0.5 and an average precision of {number(chance)}."])


def _found(report: Report) -> str:
    """Return the table of labels: each against what is quiet."""
    if not report["labels"]:
        return ""
    lines = [
        f"Each label against what is quiet; found at {report['far']:.1%} of quiet samples called wrong. By chance: so many",
        "events of these lengths the same false alarms would find where nothing is wrong.\n",
        f"| {' | '.join(_FOUND)} |",
        "|---" * len(_FOUND) + "|",
    ]
    for label in report["labels"]:
        for name, scored in report["scorers"].items():
            own = scored["labels"][label]
            cells = (
                words(own["auc"]),
                words(own["average_precision"]),
                words(own["samples_found"]),
                f"{words(own['events_found'], 2)} of {own['events']}",
                number(own["events_found_by_chance"], 2),
                words(own["onset_delay_s"], 0),
            )
            lines.append(f"| {label} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
