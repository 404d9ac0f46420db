"""A foreign series, measured: the order model as it is, and its peers beside it. Runs onnxruntime or torch, and scikit-learn.

The order model is asked zero-shot: nothing of it is fitted to the series, not even a threshold but for the common rate of false
alarms. The classifiers beside it are fitted to the series' own labels, which nobody has who has not labelled that very system.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.dataset import Examples
from ordertrainer.evaluation.external.blocks import divide, events
from ordertrainer.evaluation.external.peers import CLASSIFIERS, PERSISTENCE, crossed, persistence
from ordertrainer.evaluation.external.scores import score
from ordertrainer.evaluation.external.series import Series
from ordertrainer.evaluation.external.surprise import SURPRISE, surprise
from ordertrainer.evaluation.external.windows import mapping_of, windows
from ordertrainer.evaluation.predictions import Predictions, by_rule_diagnoser
from ordertrainer.nets.next_sample import NextNet

MODEL: Final = "order model"
RULES: Final = "rules"
FAR: Final = 0.01

Ask = Callable[[Examples], Predictions]
Tick = Callable[[str, float], None]


def examine(
    series: Series,
    ask: Ask,
    *,
    surprised: NextNet | None = None,
    far: float = FAR,
    seed: int = 0,
    tick: Tick = lambda _what, _share: None,
) -> dict[str, Any]:
    """Return every figure of one series, as plain values and scores.

    Args:
        series: checked.
        ask: the order model.
        surprised: pretrained weights, whose surprise is scored too; None: none are.
        far: share of quiet samples that may be called wrong.
        seed: of what is fitted.
        tick: told what is being done, and the share of the series that is done.
    """
    blocks = divide(series)
    found, why_not = _scorers(series, ask, seed, tick)
    if surprised is None:
        why_not[SURPRISE] = "it needs pretrained weights, --pretrained"
    else:
        found[SURPRISE] = surprise(series, surprised, lambda share: tick(SURPRISE, share))
    happened = events(series, blocks)
    tick("scores", 0.0)
    return {
        "file": series.name,
        "samples": len(series),
        "runs": len(series.offsets) - 1,
        "blocks": blocks.count,
        "folds": blocks.folds,
        "period_s": series.period_s,
        "far": far,
        "channels": _channels(series),
        "remarks": list(series.remarks),
        "labels": {name: int(series.truth[:, k].sum()) for k, name in enumerate(series.label_names)},
        "quiet": int((~series.wrong).sum()),
        "scorers": {name: score(said, series, blocks, happened, far) for name, said in found.items()},
        "not_scored": why_not,
    }


def _scorers(series: Series, ask: Ask, seed: int, tick: Tick) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Return [T] of each scorer, and why some are missing."""
    found: dict[str, NDArray[np.float32]] = {MODEL: _asked(series, ask, MODEL, tick)}
    why_not: dict[str, str] = {}
    if mapping_of(series.channels).kinds:
        found[RULES] = _asked(series, by_rule_diagnoser, RULES, tick)
    else:
        why_not[RULES] = "rules judge entities, and no channel is an entity's signal"
    blocks = divide(series)
    for name in CLASSIFIERS:
        tick(name, 0.0)
        if (said := crossed(series, blocks, name, seed)) is None:
            why_not[name] = "no division of the series leaves both wrong and quiet samples to learn from"
        else:
            found[name] = said
    tick(PERSISTENCE, 0.0)
    found[PERSISTENCE] = persistence(series)
    return found, why_not


def _asked(series: Series, ask: Ask, name: str, tick: Tick) -> NDArray[np.float32]:
    said: list[NDArray[np.float32]] = []
    for part in windows(series):
        tick(name, sum(map(len, said)) / len(series))
        said.append(ask(part).wrong)
    return np.concatenate(said)


def _channels(series: Series) -> dict[str, Any]:
    """Return what the order model is shown of the series, and what it is not."""
    where = mapping_of(series.channels)
    return {
        "mapped": [series.channels[c] for c, *_ in (*where.host, *where.entity)],
        "entities": [str(kind) for kind in where.kinds],
        "unmapped": [int(c) for c in where.unmapped],
    }
