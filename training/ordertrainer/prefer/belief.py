"""What answers say of the weights. Pure; numpy.

Bradley-Terry over what plans come to: of two plans the one that comes to less is preferred, the more surely the more it saves,

    P(A before B) = LAPSE / 2 + (1 - LAPSE) / (1 + exp(-saved_s / scale_s)),    saved_s = bill(B) . w - bill(A) . w

The weight of a second of trouble is 1, so weights are in seconds, and ``scale_s`` is how much has to be saved for 73 answers of
100 to say so. Weights are costs, so their logarithms are what is estimated: none is ever negative, and to halve one is as likely
beforehand as to double it. Beforehand they are the defaults; few answers leave most of them there. "Equal" counts as half an
answer each way, which is what Davidson's model of ties comes to when ties are rare. How sure the weights are is Laplace's
approximation: a normal distribution of the logarithms, as wide as the answers' information leaves it.

Axes: Q question, C column (`bills.COLUMNS`), P parameter: log scale_s, then the logarithm of each weight; D draw.

References:
    Bradley and Terry 1952, Rank Analysis of Incomplete Block Designs. Davidson 1970, On Extending the Bradley-Terry Model to
    Accommodate Ties. MacKay 1992, A Practical Bayesian Framework for Backpropagation Networks (Laplace's approximation).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.comparisons import Comparisons, Floats

LAPSE: Final = 0.02
"""Share of answers that are slips: one that contradicts everything must not move everything."""
SCALE_S: Final = 10.0
SCALE_SPREAD: Final = 0.5
"""Of its logarithm beforehand. Few answers fit weights so well that nobody seems ever to err; this is what is held against it."""
SPREAD: Final = 1.0
"""Of the logarithm of a weight beforehand: two of three people are within a factor of e of the default."""
LEAST_S: Final = 0.01
"""A weight of 0 has no logarithm; a hundredth of a second is no cost to anybody."""
NORMAL_95: Final = 1.959964
STEPS_MAX: Final = 100
_ENOUGH: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """A normal distribution of logarithms.

    Attributes:
        mean: [P]
        covariance: [P, P]
    """

    mean: Floats
    covariance: Floats

    @property
    def costs(self) -> Costs:
        """Return the likeliest weights, seconds."""
        return Costs(**dict(zip(NAMES, map(float, np.exp(self.mean[1:])), strict=True)))

    @property
    def scale_s(self) -> float:
        """Return how much has to be saved for 73 answers of 100 to say so."""
        return float(np.exp(self.mean[0]))

    def interval(self, name: str) -> tuple[float, float]:
        """Return the two ends between which a weight is with a probability of 0.95, seconds."""
        place = NAMES.index(name) + 1
        wide = NORMAL_95 * math.sqrt(float(self.covariance[place, place]))
        middle = float(self.mean[place])
        return math.exp(middle - wide), math.exp(middle + wide)

    @property
    def factors(self) -> dict[str, float]:
        """Return within which factor each weight is known: one standard deviation."""
        return dict(zip(NAMES, map(float, np.exp(np.sqrt(np.diag(self.covariance)[1:]))), strict=True))

    @property
    def factor(self) -> float:
        """Return within which factor weights are known, their geometric mean."""
        return math.exp(sum(map(math.log, self.factors.values())) / len(NAMES))

    def prefers_first(self, gains: Floats) -> Floats:
        """Return [Q]: the probability that the first plan is preferred, by the likeliest weights, for [Q, C] savings."""
        return probability(gains @ priced(self.mean[1:]) / self.scale_s)


def beforehand(costs: Costs) -> Belief:
    """Return what is believed before anybody has answered.

    Args:
        costs: the weights that are in force.
    """
    weights = [math.log(max(getattr(costs, name), LEAST_S)) for name in NAMES]
    spread = np.array([SCALE_SPREAD, *[SPREAD] * len(NAMES)])
    return Belief(mean=np.array([math.log(SCALE_S), *weights]), covariance=np.diag(spread**2))


def learn(prior: Belief, said: Comparisons) -> Belief:
    """Return what is believed after some answers: Fisher scoring, each step halved until it helps.

    Args:
        prior: what was believed before.
        said: answers.
    """
    precision = np.linalg.inv(prior.covariance)
    at, loss = prior.mean, _loss(prior.mean, prior, precision, said)
    for _ in range(STEPS_MAX):
        slope, information = _slopes(at, said)
        slope = slope + precision @ (at - prior.mean)
        step = np.linalg.solve(information + precision, slope)
        size, before = 1.0, loss
        # Written so that a loss that is no number counts as worse.
        while not (loss := _loss(at - size * step, prior, precision, said)) <= before and size > _ENOUGH:
            size /= 2.0
        if size <= _ENOUGH:
            break
        at = at - size * step
        if before - loss < _ENOUGH:
            break
    _, information = _slopes(at, said)
    return Belief(mean=at, covariance=np.linalg.inv(information + precision))


def probability(gain: Floats) -> Floats:
    """Return the probability of preferring what saves so much, in scales."""
    return LAPSE / 2.0 + (1.0 - LAPSE) * _logistic(gain)


def _logistic(gain: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * gain))


def priced(logarithms: Floats) -> Floats:
    """Return [..., C] weights in seconds, that of trouble first, for the logarithms of the others."""
    return np.concatenate((np.ones_like(logarithms[..., :1]), np.exp(logarithms)), -1)


def _loss(at: Floats, prior: Belief, precision: Floats, said: Comparisons) -> float:
    """Return minus the logarithm of how likely weights are after the answers, up to a constant."""
    chance = probability(said.saved @ priced(at[1:]) / np.exp(at[0]))
    fit = said.first * np.log(chance) + (1.0 - said.first) * np.log1p(-chance)
    off = at - prior.mean
    return float(0.5 * off @ precision @ off - (said.weight * fit).sum())


def _slopes(at: Floats, said: Comparisons) -> tuple[Floats, Floats]:
    """Return [P] the slope of the answers' loss, and [P, P] their expected information."""
    worth = said.saved * priced(at[1:]) / np.exp(at[0])
    gain = worth.sum(-1)
    by = np.concatenate((-gain[:, None], worth[:, 1:]), -1)
    chance, steep = probability(gain), (1.0 - LAPSE) * _logistic(gain) * _logistic(-gain)
    even = chance * (1.0 - chance)
    slope = by.T @ (said.weight * steep * (chance - said.first) / even)
    return slope, (by * (said.weight * steep**2 / even)[:, None]).T @ by
