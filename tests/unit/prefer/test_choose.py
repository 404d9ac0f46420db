"""Which question is asked."""

import numpy as np
import pytest

from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.belief import beforehand, learn
from ordertrainer.prefer.choose import information
from ordertrainer.prefer.comparisons import Comparisons, saved


def row(trouble_s=0.0, **more):
    """Return what a plan saves."""
    return [trouble_s, *(more.get(name, 0.0) for name in NAMES)]


def test_what_everybody_would_answer_alike_is_not_asked():
    """A plan that is better in everything tells nothing; one whose weight is in the balance tells most."""
    gains = np.array([row(300.0, repair=1.0, false_call=1.0), row(Costs().false_call, false_call=-1.0)])
    bits = information(beforehand(Costs()), gains)
    assert bits[0] < 0.03
    assert bits[1] > 0.2


def test_what_nobody_could_tell_is_not_asked():
    """Two plans that come to nearly the same whatever the weights are open, and tell next to nothing."""
    bits = information(beforehand(Costs()), np.array([row(0.1), row(20.0, call=-1.0)]))
    assert bits[0] < 0.02
    assert bits[1] > 0.2


def test_what_was_answered_often_is_asked_less():
    """The same question tells less each time."""
    prior, gain = beforehand(Costs()), np.array([row(20.0, call=-1.0)])
    often = Comparisons(saved=np.repeat(gain, 20, 0), first=np.tile([0.0, 1.0], 10), weight=np.ones(20))
    first, again = (information(belief, gain)[0] for belief in (prior, learn(prior, often)))
    assert again < 0.5 * first


@pytest.fixture(scope="module")
def pool(scenes):
    """Return what the first plan of every question of the scenes saves."""
    return np.unique(saved([(one.bill, other.bill) for scene in scenes for one, other in scene.pairs()]), axis=0)


def after(she, pool, count, *, chosen):
    """Return by which factor weights are off after some answers, chosen by what they tell or by lot."""
    belief, left = beforehand(Costs()), np.arange(len(pool))
    if not chosen:
        return she.off(learn(belief, she.says(pool[she.random.choice(left, count, replace=False)])).costs)
    for _ in range(count):
        some = she.random.choice(left, 400, replace=False)
        place = some[int(information(belief, pool[some]).argmax())]
        left = left[left != place]
        belief = learn(belief, she.says(pool[[place]]))
    return she.off(belief.costs)


def test_choosing_needs_half_the_answers_that_chance_needs(person, pool):
    """30 chosen answers tell more of the weights than 60 drawn by lot: for 8 people, on hosts of the simulator."""
    people = range(8)
    chosen = np.mean([np.log(after(person(seed), pool, 30, chosen=True)) for seed in people])
    drawn = np.mean([np.log(after(person(seed), pool, 60, chosen=False)) for seed in people])
    assert chosen < drawn
