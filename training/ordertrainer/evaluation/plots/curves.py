"""Curves: whether probabilities come true, and how trainings went. Imports matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes

from ordertrainer.evaluation.plots.style import CALM, COLOURS, picture, saved
from ordertrainer.evaluation.reports import STEPS

_LOSS: Final = "loss"
_SCORES: Final = ("f1", "settled", "auc", "success", "repaired")


def reliability(told: Mapping[str, Sequence[Mapping[str, float]]], file: Path) -> Path:
    """Draw how often diagnoses of a confidence are right.

    Args:
        told: bins of confidence, share that is right and share of verdicts, by who said so.
        file: to write.
    """
    with picture(5.0, 5.0) as figure:
        axes = figure.subplots()
        axes.plot((0, 1), (0, 1), color=CALM, linewidth=1, label="comes true as often as it says")
        for (who, bins), colour in zip(told.items(), COLOURS, strict=False):
            error = sum(abs(each["confidence"] - each["right"]) * each["share"] for each in bins)
            confidence, right = ([each[key] for each in bins] for key in ("confidence", "right"))
            axes.plot(confidence, right, color=colour, linewidth=1.2, label=f"{who}, error {error:.3f}")
            # Area is the share of verdicts: a point far off that hardly ever happens should not frighten anybody.
            axes.scatter(confidence, right, s=[10 + 200 * each["share"] for each in bins], color=colour, alpha=0.6, linewidths=0)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence of the verdict", ylabel="share that is right")
        axes.set_title("do probabilities come true? (verdicts that matter)")
        axes.legend(loc="upper left")
        return saved(figure, file)


def learning(told: Mapping[str, Sequence[Mapping[str, Any]]], file: Path) -> Path:
    """Draw losses and scores of trainings, a training a colour.

    Args:
        told: lines of each training's history.
        file: to write.
    """
    with picture(9.0, 3.6) as figure:
        losses, scores = figure.subplots(1, 2)
        for (name, lines), colour in zip(told.items(), COLOURS, strict=False):
            step = next(iter(STEPS & set(lines[0])))
            for axes, wanted in ((losses, lambda key: _LOSS in key), (scores, lambda key: any(part in key for part in _SCORES))):
                _draw(axes, [(line[step], _flat(line)) for line in lines], wanted, name, colour)
        for axes, title in ((losses, "losses"), (scores, "scores")):
            axes.set_title(title)
            axes.set_xlabel(" or ".join(sorted(STEPS)))
            if axes.lines:
                axes.legend(fontsize=7)
        return saved(figure, file)


def _draw(axes: Axes, lines: Sequence[tuple[float, Mapping[str, float]]], wanted: Any, name: str, colour: str) -> None:
    keys = [key for key in lines[0][1] if wanted(key)]
    for key, style in zip(keys, ("-", "--", ":", "-."), strict=False):
        points = [(step, values[key]) for step, values in lines if values.get(key) is not None]
        axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=1.2, label=f"{name}: {key}")


def _flat(line: Mapping[str, Any], before: str = "") -> dict[str, float]:
    """Return the numbers of a line, those inside others by their path."""
    found: dict[str, float] = {}
    for key, value in line.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{before}{key}"] = float(value)
    return found
