"""The pair of plans whose answer teaches most of the weights. Pure; numpy.

What an answer is expected to tell is how unsure it is on the whole, less how unsure it would be if the weights were known: a pair
is worth asking where the likely weights contradict each other, not where nobody could tell. How consistently somebody answers is
as unsure as the weights: taken as known it would soon be believed to be perfect, and only hair-splitting be asked.

Axes: Q question, C column, D draw.

References:
    Houlsby et al. 2011, Bayesian Active Learning for Classification and Preference Learning, equation 2.
"""

from typing import Final

import numpy as np

from ordertrainer.prefer.belief import Belief, chances
from ordertrainer.prefer.comparisons import Floats

DRAWS: Final = 256
"""Of the crowd; more tell hardly more of which question is best."""


def information(belief: Belief, gains: Floats) -> Floats:
    """Return [Q]: what each answer is expected to tell, in bits.

    Args:
        belief: what is believed now.
        gains: [Q, C] what the first plan of each question saves.
    """
    chance = chances(belief.draws[:: len(belief.draws) // DRAWS], gains)
    return entropy(chance.mean(-1)) - entropy(chance).mean(-1)


def entropy(chance: Floats) -> Floats:
    """Return in bits how unsure a yes or no of some probability is; it is never 0 or 1 here."""
    return -(chance * np.log2(chance) + (1.0 - chance) * np.log2(1.0 - chance))
