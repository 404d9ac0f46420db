"""What came of an evolution, for people: a line an iteration, tables of exams, and the figures of one seed. Pure; rich."""

import statistics
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from ordertrainer.policy.overseeds import number_of, tuned


def summary(said: dict[str, Any]) -> str:
    """Return one line about an iteration."""
    worth = f"  worth {said['worth']:.3f}" if "worth" in said else ""
    settled = "-" if said["settled"] is None else f"{said['settled']:.3f}"
    return (
        f"iteration {said['iteration']:3d}  drills {said['drills']:6d}  settled {settled}  return {said['return_s']:7.2f} s  "
        f"touched healthy {said['rate_healthy']:.3f} at {said['price_healthy_s']:.0f} s  "
        f"harmful {said['rate_harmful']:.3f} at {said['price_harmful_s']:.0f} s  kl {said['kl_imitated']:.3f}{worth}  "
        f"{said['seconds']:.1f} s"
    )


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print tables of what was examined."""
    if "fresh_chaos" in report:
        table = Table("policy", "regret, s", "not settled", "curable, not repaired", title="against a fresh chaos of its own")
        for name, found in report["fresh_chaos"].items():
            table.add_row(name, *(_cell(found[key]) for key in ("regret_s", "unsettled", "unrepaired")))
        console.print(table)
    if "cross_play" in report:
        regret = report["cross_play"]["regret_s"]
        table = Table("order", *next(iter(regret.values())), title="regret in seconds: orders by row, chaoses by column")
        for order, row in regret.items():
            table.add_row(order, *(f"{value:.1f}" for value in row.values()))
        console.print(table)


def _cell(score: dict[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"


def figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of one seed that are compared.

    Args:
        found: of `ordertrainer.evolve.several.evolved`.

    Returns:
        Counts; the worth of ``best.pt`` where an iteration was examined; and where they were asked for, seconds of regret under a
        fresh chaos, by policy, and of the newest order, as a mean over all chaoses.
    """
    history = found["history"]
    told = {"iterations": float(len(history)), "drills": float(history[-1]["drills"])}
    told |= tuned(found["tune"]) if found["tune"] is not None else {}
    told |= {f"fresh chaos: {who}, s": number_of(each["regret_s"]["value"]) for who, each in found.get("fresh_chaos", {}).items()}
    if "cross_play" in found:
        *_, newest = found["cross_play"]["regret_s"].values()
        told["cross-play: newest, s"] = statistics.fmean(newest.values())
    return told
