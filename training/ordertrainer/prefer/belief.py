"""What answers say of the weights. Pure; numpy.

Bradley-Terry over what plans come to, with a scale that grows with what is to be weighed. Of two plans that differ in some
things, some of which speak for the one and some for the other,

    P(A before B) = LAPSE / 2 + (1 - LAPSE) / (1 + exp(-sharpness * balance))
    balance       = (what A saves - what B saves) / (JUST_S + what A saves + what B saves),   all in seconds, by the weights

So a plan that is better in everything is preferred nearly always, however little it saves, and one that saves twice of what it
costs equally often whether that is two seconds or two minutes: people compare in proportions. With one scale in seconds for
everything (plain Bradley-Terry) a weight of two seconds could never be learned beside one of two minutes.

The weight of a second of trouble is 1, so weights are in seconds. They are costs, so their logarithms are what is estimated: none
is ever negative, and to halve one is as likely beforehand as to double it. Beforehand they are the defaults; few answers leave
most of them there. "Equal" counts as half an answer each way, which is what Davidson's model of ties comes to when ties are rare.

What is believed is a crowd of likely weights, not one normal distribution: a few answers that were chosen to be hard leave more
than one explanation, and whoever settles on the best of them is too sure too soon. Every answer weighs the crowd anew; when few
of it carry all the weight, they are multiplied and moved about. Equal answers in equal order give equal crowds.

Axes: Q question, C column (`bills.COLUMNS`), P parameter: log sharpness, then the logarithm of each weight; D draw.

References:
    Bradley and Terry 1952, Rank Analysis of Incomplete Block Designs. Davidson 1970, On Extending the Bradley-Terry Model to
    Accommodate Ties. Shubatt and Yang 2024, Tradeoffs and Comparison Complexity, arXiv:2401.17578 (choices are the surer the
    larger the difference is in proportion to the L1 distance). Chopin 2002, A Sequential Particle Filter Method for Static
    Models.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.comparisons import Comparisons, Floats, join, nothing

LAPSE: Final = 0.02
"""Share of answers that are slips: one that contradicts everything must not move everything."""
JUST_S: Final = 1.0
"""A just noticeable difference."""
SHARPNESS: Final = 5.0
SPREADS: Final = (0.5, *[1.0] * len(NAMES))
"""Of the logarithms beforehand: two of three people are within a factor of e of each default. Few answers fit so well that nobody
seems ever to err, which the narrower spread of the sharpness is held against."""
LEAST_S: Final = 0.01
"""A weight of 0 has no logarithm; a hundredth of a second is no cost to anybody."""
DRAWS: Final = 1200
MOVES: Final = 6
_STRIDE: Final = 2.38 / math.sqrt(len(SPREADS))
"""Roberts, Gelman and Gilks 1997: of a random walk that mixes best, in standard deviations."""
_SEED: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """A crowd of likely weights.

    Attributes:
        mean: [P] beforehand.
        draws: [D, P] the crowd; each counts the same.
        said: what it was learned from.
    """

    mean: Floats
    draws: Floats
    said: Comparisons

    @property
    def costs(self) -> Costs:
        """Return weights in the middle of the crowd, seconds."""
        middle = np.exp(np.median(self.draws[:, 1:], 0))
        return Costs(**dict(zip(NAMES, map(float, middle), strict=True)))

    def interval(self, name: str) -> tuple[float, float]:
        """Return the two ends between which a weight is with a probability of 0.95, seconds."""
        low, high = np.exp(np.quantile(self.draws[:, NAMES.index(name) + 1], (0.025, 0.975)))
        return float(low), float(high)

    @property
    def factors(self) -> dict[str, float]:
        """Return within which factor each weight is known: one standard deviation."""
        return dict(zip(NAMES, map(float, np.exp(self.draws[:, 1:].std(0))), strict=True))

    @property
    def factor(self) -> float:
        """Return within which factor weights are known, their geometric mean."""
        return math.exp(sum(map(math.log, self.factors.values())) / len(NAMES))

    @property
    def twice(self) -> float:
        """Return how often a plan is preferred that saves twice of what it costs."""
        return float(probability(np.exp(self.draws[:, 0]) / 3.0).mean())

    def prefers_first(self, gains: Floats) -> Floats:
        """Return [Q]: the probability that the first plan is preferred, for [Q, C] savings."""
        return chances(self.draws, gains).mean(-1)


def beforehand(costs: Costs) -> Belief:
    """Return what is believed before anybody has answered.

    Args:
        costs: the weights that are in force.
    """
    weights = [math.log(max(getattr(costs, name), LEAST_S)) for name in NAMES]
    mean = np.array([math.log(SHARPNESS), *weights])
    # A Latin hypercube: of every single weight the crowd is as even as can be, and its middle is the weight in force.
    even = np.array([NormalDist().inv_cdf((place + 0.5) / DRAWS) for place in range(DRAWS)])
    drawn = np.random.default_rng(_SEED).permuted(np.repeat(even[:, None], len(mean), 1), axis=0)
    return Belief(mean=mean, draws=mean + np.array(SPREADS) * drawn, said=nothing())


def learn(belief: Belief, more: Comparisons) -> Belief:
    """Return what is believed after some more answers, taken one after another.

    Args:
        belief: what was believed before.
        more: answers.
    """
    known, said = len(belief.said), join(belief.said, more)
    random = np.random.default_rng((_SEED, len(said)))
    draws, likely = belief.draws, np.zeros(DRAWS)
    for end in range(known + 1, len(said) + 1):
        likely += _fit(draws, said.until(end).after(end - 1))
        if end == len(said) or _effective(likely) < DRAWS / 2:
            draws = _moved(belief.mean, _multiplied(draws, likely, random), said.until(end), random)
            likely = np.zeros(DRAWS)
    return Belief(mean=belief.mean, draws=draws, said=said)


def _effective(likely: Floats) -> float:
    """Return how many of the crowd carry the weight."""
    weight = np.exp(likely - likely.max())
    return float(weight.sum() ** 2 / (weight**2).sum())


def _multiplied(draws: Floats, likely: Floats, random: np.random.Generator) -> Floats:
    """Return as many draws, each about as often as it is likely: at even steps from one random start."""
    weight = np.exp(likely - likely.max())
    places = np.searchsorted(np.cumsum(weight) / weight.sum(), (np.arange(DRAWS) + random.random()) / DRAWS)
    return draws[np.minimum(places, DRAWS - 1)]


def _moved(mean: Floats, draws: Floats, said: Comparisons, random: np.random.Generator) -> Floats:
    """Return the crowd after some steps of a random walk, as wide as the crowd, that leaves what is likely as it is."""
    spread = np.linalg.cholesky(np.cov(draws.T) + 1e-9 * np.eye(draws.shape[1]))
    fits = _fit(draws, said) + _prior(mean, draws)
    for move in range(MOVES):
        stride = _STRIDE / (1.0 + 2.0 * (move % 2))
        there = draws + stride * random.normal(size=draws.shape) @ spread.T
        found = _fit(there, said) + _prior(mean, there)
        goes = np.log(random.random(DRAWS)) < found - fits
        draws, fits = np.where(goes[:, None], there, draws), np.where(goes, found, fits)
    return draws


def _prior(mean: Floats, draws: Floats) -> Floats:
    """Return [D] the logarithm of how likely parameters were beforehand, up to a constant."""
    return -0.5 * (((draws - mean) / np.array(SPREADS)) ** 2).sum(-1)


def _fit(draws: Floats, said: Comparisons) -> Floats:
    """Return [D] the logarithm of how likely answers are."""
    chance = chances(draws, said.saved)
    first, weight = said.first[:, None], said.weight[:, None]
    return (weight * (first * np.log(chance) + (1.0 - first) * np.log1p(-chance))).sum(0)


def chances(draws: Floats, gains: Floats) -> Floats:
    """Return [Q, D]: the probability that the first plan is preferred, for [Q, C] savings, under [D, P] parameters."""
    weights = np.concatenate((np.ones((1, len(draws))), np.exp(draws[:, 1:].T)))
    return probability(np.exp(draws[:, 0]) * (gains @ weights) / (JUST_S + np.abs(gains) @ weights))


def probability(surer: Floats) -> Floats:
    """Return the probability of preferring what is better by so much, sharpness included."""
    return LAPSE / 2.0 + (1.0 - LAPSE) * 0.5 * (1.0 + np.tanh(0.5 * surer))
