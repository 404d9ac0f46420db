"""Draws what there are figures for. Touches one folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ordertrainer.evaluation.plots import bars, curves, matrices
from ordertrainer.evaluation.real.runs import RULES_ONLY


def draw_all(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw every picture there are figures for, and return the files.

    Args:
        found: everything that was measured and read, as plain values.
        folder: made where it is missing; files of the same names are replaced.
    """
    drawn: list[Path] = []
    if "test" in found:
        said = found["test"]["diagnosers"]
        for who, scored in said.items():
            drawn.append(matrices.confusion(scored["confusion"], who, folder / f"confusion-{who.replace(' ', '-')}.svg"))
        bins = {who: scored["reliability"] for who, scored in said.items() if who != RULES_ONLY}
        drawn.append(curves.reliability(bins, folder / "reliability.svg"))
    for who, told in found.get("real", {}).items():
        if told["mttr_s"]:
            drawn.append(bars.mttr(told["mttr_s"], who, folder / f"mttr-{who}.svg"))
        if told["faults"] and (simulated := _simulated(found.get("exam", {}), who)):
            drawn.append(bars.sim_to_real(simulated, told["faults"], folder / f"sim-to-real-{who}.svg"))
    if "calibrate" in found:
        drawn.append(bars.gap(found["calibrate"]["gap"], folder / "sim-to-real-signals.svg"))
    if "history" in found:
        drawn.append(curves.learning(found["history"], folder / "learning.svg"))
    matrices_told = [each["cross_play"] for each in found.get("evolve", ()) if "cross_play" in each]
    drawn += [matrices.crossplay(told, folder / f"crossplay-{number}.svg") for number, told in enumerate(matrices_told, 1)]
    return drawn


def _simulated(exam: Mapping[str, Any], who: str) -> dict[str, dict[str, float]]:
    """Return simulated hosts and settled ones by fault, of all suites of single faults, as who decided in the real drills."""
    policies = (RULES_ONLY,) if who == RULES_ONLY else ("network + rules", "network")
    found: dict[str, dict[str, float]] = {}
    for suite in exam.get("suites", {}).values():
        policy = next((name for name in policies if name in suite["families"]), None)
        if policy is None or not suite["single"]:
            continue
        for fault, told in suite["families"][policy].items():
            counted = found.setdefault(fault, {"hosts": 0.0, "settled": 0.0})
            counted["hosts"] += told["hosts"]
            counted["settled"] += told["settled"]
    return found
