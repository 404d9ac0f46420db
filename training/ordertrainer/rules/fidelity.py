"""How often somebody says what the teacher says. Pure; numpy.

Nearly all entities are in order, and silence agrees on nearly all of them. So beside the agreement on every entity stands the one
where either of the two names something, and F1 of each answer, the teacher being taken for the truth. Every figure is a sum over
incidents divided by another one: one bootstrap over incidents, which are independent of each other as seconds of one are not,
gives all intervals.

Axes: n entity, I incident, C answer, B resample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ordertrainer.rules.rule import IN_ORDER

RESAMPLES: Final = 1000
QUANTILES: Final = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What two say of the same entities.

    Attributes:
        incident: [n] int64.
        taught: [n] what the teacher says.
        said: [n] what the other one says.
    """

    incident: NDArray[np.int64]
    taught: NDArray[np.int64]
    said: NDArray[np.int64]


def fidelity(compared: Compared, says: Sequence[str], seed: int) -> dict[str, Any]:
    """Return figures with 95 % intervals.

    Args:
        compared: entities of some incidents.
        says: C answers, by place.
        seed: of the bootstrap.

    Returns:
        Plain values: ``agrees`` on all entities; ``named_agrees`` where either names something; ``covered``, the share of what
        the teacher names of which the other one names anything; ``macro_f1`` over the answers that the teacher gives; and
        ``answers``, each with its own.
    """
    runs, incident = np.unique(compared.incident, return_inverse=True)
    counted = _counts(compared, incident, len(runs), len(says))
    drawn = np.random.default_rng(seed).multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=RESAMPLES)
    once, again = (_figures(times @ counted.reshape(len(runs), -1), len(says)) for times in (np.ones((1, len(runs))), drawn))
    given = counted.reshape(len(runs), len(says), -1)[:, :, _TAUGHT]
    whole = {name: _score(once[name][0], again[name]) for name in _WHOLE}
    answers = {
        says[answer]: {
            "entities": int(given[:, answer].sum()),
            "incidents": int((given[:, answer] > 0).sum()),
            **{name: _score(once[name][0, answer], again[name][:, answer]) for name in _OF_ANSWER},
        }
        for answer in range(len(says))
        if answer != IN_ORDER and given[:, answer].any()
    }
    return {"incidents": len(runs), "entities": len(compared.taught), **whole, "answers": answers}


_WHOLE: Final = ("agrees", "named_agrees", "covered", "macro_f1")
_OF_ANSWER: Final = ("found", "right", "f1")
_TAUGHT, _SAID, _BOTH, _NAMED = range(4)
"""What is counted of each answer: the teacher gives it; the other one does; both do; the teacher does, the other names any."""


def _counts(compared: Compared, incident: NDArray[np.int64], runs: int, width: int) -> NDArray[np.float64]:
    """Return [I, C, 4]."""
    found = np.zeros((runs, width, 4))
    same, any_said = compared.taught == compared.said, compared.said != IN_ORDER
    np.add.at(found, (incident, compared.taught, _TAUGHT), 1.0)
    np.add.at(found, (incident, compared.said, _SAID), 1.0)
    np.add.at(found, (incident, compared.taught, _BOTH), same.astype(np.float64))
    np.add.at(found, (incident, compared.taught, _NAMED), any_said.astype(np.float64))
    return found


def _figures(sums: NDArray[np.float64], width: int) -> dict[str, NDArray[np.float64]]:
    """Return figures of [B, C * 4] sums: [B] of the whole, [B, C] of answers."""
    taught, said, both, named = np.moveaxis(sums.reshape(-1, width, 4), -1, 0)
    others = np.arange(width) != IN_ORDER
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2.0 * both / (taught + said)
        given = (taught > 0) & others
        silent = both[:, IN_ORDER]
        return {
            "agrees": both.sum(1) / taught.sum(1),
            "named_agrees": both[:, others].sum(1) / (taught.sum(1) - silent),
            "covered": named[:, others].sum(1) / taught[:, others].sum(1),
            "macro_f1": np.where(given, f1, 0.0).sum(1) / given.sum(1),
            "found": both / taught,
            "right": both / said,
            "f1": f1,
        }


def _score(value: float, again: NDArray[np.float64]) -> dict[str, float | None]:
    known = again[np.isfinite(again)]
    low, high = np.percentile(known, QUANTILES) if len(known) else (np.nan, np.nan)
    return {"value": _number(value), "low": _number(low), "high": _number(high)}


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
