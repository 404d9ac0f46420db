"""The pair of plans whose answer teaches most of the weights. Pure; numpy.

What an answer is expected to tell is how unsure it is on the whole, less how unsure it would be if the weights were known: a pair
is worth asking where the likely weights contradict each other, not where nobody could tell. How consistently somebody answers is
drawn with the weights: taken as known it is soon believed to be perfect, and only hair-splitting is asked then.

Axes: Q question, C column, D draw.

References:
    Houlsby et al. 2011, Bayesian Active Learning for Classification and Preference Learning, equation 2.
"""

from typing import Final

import numpy as np

from ordertrainer.prefer.belief import Belief, priced, probability
from ordertrainer.prefer.comparisons import Floats

DRAWS: Final = 256


def information(belief: Belief, gains: Floats, random: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return [Q]: what each answer is expected to tell, in bits.

    Args:
        belief: what is believed now.
        gains: [Q, C] what the first plan of each question saves.
        random: source of draws.
        draws: how many beliefs are drawn.
    """
    drawn = random.multivariate_normal(belief.mean, belief.covariance, size=draws, method="cholesky")
    chance = probability(gains @ priced(drawn[:, 1:]).T / np.exp(drawn[:, 0]))
    return entropy(chance.mean(-1)) - entropy(chance).mean(-1)


def entropy(chance: Floats) -> Floats:
    """Return in bits how unsure a yes or no of some probability is; it is never 0 or 1 here."""
    return -(chance * np.log2(chance) + (1.0 - chance) * np.log2(1.0 - chance))
