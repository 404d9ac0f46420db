"""A row a thing: seconds to healthy by fault, and what a simulated host shows against a real one. Imports matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.ticker import FuncFormatter

from ordertrainer.evaluation.plots.style import CALM, MAIN, OTHER, picture, saved

_ROW_IN: Final = 0.2
_LEAST_S: Final = 0.05
"""A probe's period: what healed sooner was healthy at the first look."""
_ROW: Final = "(all of a row)"
"""What `ordertrainer calibrate` calls all signals together."""
_PART: Final = {"train": MAIN, "tune": CALM, "held": OTHER}
_WORDS: Final = {"train": "trained family", "tune": "tuning family", "held": "held-out family"}


def mttr(told: Mapping[str, Mapping[str, Any]], who: str, file: Path) -> Path:
    """Draw the median seconds from landing to healthy by fault, with intervals; faults never repaired are named at the edge.

    Args:
        told: seconds, repaired and runs by fault.
        who: decided.
        file: to write.
    """
    took = {fault: row["seconds"]["value"] for fault, row in told.items()}
    faults = sorted(told, key=lambda fault: math.inf if took[fault] is None else took[fault], reverse=True)
    most = max([_LEAST_S, *(each for each in took.values() if each is not None)])
    with picture(8.0, 1.6 + _ROW_IN * len(faults)) as figure:
        axes = figure.subplots()
        for place, fault in enumerate(faults):
            row = told[fault]
            value, low, high = (row["seconds"][key] for key in ("value", "low", "high"))
            colour = _PART[row["part"]]
            if value is None:
                axes.text(most, place, f"never in {row['runs']}", va="center", ha="right", color=colour, fontsize=7)
                continue
            if low is not None and high is not None:
                axes.plot((max(_LEAST_S, low), max(_LEAST_S, high)), (place, place), color=colour, linewidth=1.2)
            axes.plot(max(_LEAST_S, value), place, "o", color=colour, markersize=4)
        axes.set_yticks(range(len(faults)), [f"{fault} ({told[fault]['repaired']} of {told[fault]['runs']})" for fault in faults])
        axes.set_ylim(-0.7, len(faults) - 0.3)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _place: f"{seconds:g}"))
        axes.set_xlabel("seconds from landing to healthy, median of the repaired (95 %)")
        axes.set_title(f"time to repair by fault, {who}")
        handles = [axes.plot([], [], "o", color=_PART[part])[0] for part in _PART]
        axes.legend(handles, [_WORDS[part] for part in _PART], loc="upper right", fontsize=7)
        return saved(figure, file)


def sim_to_real(simulated: Mapping[str, Mapping[str, float]], real: Mapping[str, Mapping[str, Any]], file: Path) -> Path:
    """Draw the share of single faults that end as they should, simulated beside real, the largest gap on top.

    Args:
        simulated: hosts and settled ones by fault.
        real: share by fault.
        file: to write.
    """
    shares = {fault: simulated[fault]["settled"] / simulated[fault]["hosts"] for fault in set(simulated) & set(real)}
    faults = sorted(shares, key=lambda fault: (abs(shares[fault] - real[fault]["value"]), fault))
    with picture(8.0, 1.6 + _ROW_IN * len(faults)) as figure:
        axes = figure.subplots()
        for place, fault in enumerate(faults):
            ends = (shares[fault], real[fault]["value"])
            axes.plot(ends, (place, place), color=CALM, linewidth=1.2)
            for share, colour in zip(ends, (MAIN, OTHER), strict=True):
                axes.plot(share, place, "o", color=colour, markersize=4)
        axes.set_yticks(range(len(faults)), [f"{fault} ({real[fault]['of']})" for fault in faults])
        axes.set(
            xlim=(-0.03, 1.03), ylim=(-0.7, len(faults) - 0.3), xlabel="share that ends as it should (real runs in brackets)"
        )
        axes.set_title("from the simulator to real hosts, single faults")
        handles = [axes.plot([], [], "o", color=colour)[0] for colour in (MAIN, OTHER)]
        axes.legend(handles, ["simulated", "real"], loc="lower left", fontsize=7)
        return saved(figure, file)


def gap(told: Mapping[str, Sequence[Mapping[str, Any]]], file: Path) -> Path:
    """Draw how well recorded hosts can be told from simulated ones by all signals of a row, stage beside stage.

    Args:
        told: figures of each stage, before and after the simulator was fitted: state, kind, signal, auc, low, high.
        file: to write.
    """
    stages = {stage: {f"{c['state']}: {c['kind']}": c for c in cells if c["signal"] == _ROW} for stage, cells in told.items()}
    names = list(dict.fromkeys(name for cells in stages.values() for name in cells))
    with picture(8.0, 1.6 + _ROW_IN * len(names)) as figure:
        axes = figure.subplots()
        for (stage, cells), colour in zip(stages.items(), (OTHER, MAIN), strict=False):
            axes.plot([], [], "o", color=colour, label=stage)
            for place, name in enumerate(reversed(names)):
                if name in cells:
                    axes.plot((cells[name]["low"], cells[name]["high"]), (place, place), color=colour, linewidth=1.2)
                    axes.plot(cells[name]["auc"], place, "o", color=colour, markersize=4)
        axes.axvline(0.5, color=CALM, linewidth=1)
        axes.set_yticks(range(len(names)), list(reversed(names)))
        axes.set(
            ylim=(-0.7, len(names) - 0.3), xlabel="recorded and simulated told apart, area under the curve (0.5: not at all)"
        )
        axes.set_title("from the simulator to real hosts, all signals of a row")
        axes.legend(loc="lower right", fontsize=7)
        return saved(figure, file)
