"""What answers say of the weights."""

import math

import numpy as np
import pytest

from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.belief import LEAST_S, beforehand, chances, learn
from ordertrainer.prefer.comparisons import Comparisons


def said(gains, first, weight=1.0):
    """Return the same thing said of several questions."""
    gains = np.array(gains, dtype=np.float64)
    return Comparisons(saved=gains, first=np.full(len(gains), float(first)), weight=np.full(len(gains), weight))


def row(trouble_s=0.0, **saved):
    """Return what a plan saves."""
    return [trouble_s, *(saved.get(name, 0.0) for name in NAMES)]


def test_without_answers_the_weights_are_what_they_were():
    """The prior is the answer, and its interval holds the weight in its middle, a factor of seven each way."""
    prior = beforehand(Costs(call=33.0))
    belief = learn(prior, said(np.zeros((0, len(NAMES) + 1)), 1.0))
    assert belief.costs.call == pytest.approx(33.0)
    low, high = belief.interval("call")
    assert low * high == pytest.approx(33.0**2, rel=1e-6)
    assert high / 33.0 == pytest.approx(math.exp(1.96), rel=0.02)


def test_many_answers_tell_the_weights(person, made_up):
    """Of somebody who weighs otherwise by a factor of two and answers 1200 questions at least two thirds become known."""
    for seed in (2, 4):
        she = person(seed)
        belief = learn(beforehand(Costs()), she.says(made_up[:1200]))
        assert math.log(she.off(belief.costs)) < math.log(she.off(Costs())) / 3.0
        assert math.exp(np.median(belief.draws[:, 0])) == pytest.approx(she.sharpness, rel=0.35)


def test_proportions_decide_not_seconds():
    """Twice as much is preferred as often whether it is about seconds or minutes; and what is better in all, nearly always."""
    prior = beforehand(Costs(repair=2.0, false_call=120.0))
    small, large, every = row(-40.0, repair=10.0), row(-240.0, false_call=1.0), row(0.0, repair=5.0)
    chance = chances(prior.mean[None], np.array([small, large, every]))[:, 0]
    assert chance[0] == pytest.approx(chance[1], abs=0.01)
    assert 0.1 < chance[0] < 0.25
    assert 0.75 < prior.twice < 0.9
    assert chance[2] > 0.95


def test_the_crowd_is_spread_as_the_answers_leave_it(person, made_up):
    """Against the product of prior and likelihood added up over a fine grid, where all but two parameters hardly matter."""
    she = person(2)
    gains = np.zeros((25, len(NAMES) + 1))
    gains[:, 0], gains[:, NAMES.index("call") + 1] = np.linspace(4.0, 90.0, 25), -1.0
    asked, prior = she.says(gains), beforehand(Costs())
    belief = learn(prior, asked)
    sharp, call = np.meshgrid(np.linspace(-2.5, 2.5, 201) * 0.5, np.linspace(-4.0, 4.0, 401), indexing="ij")
    grid = np.repeat(prior.mean[None], sharp.size, 0)
    grid[:, 0] += sharp.ravel()
    grid[:, NAMES.index("call") + 1] += call.ravel()
    chance = chances(grid, asked.saved)
    fit = (asked.first[:, None] * np.log(chance) + (1.0 - asked.first[:, None]) * np.log(1.0 - chance)).sum(0)
    weight = np.exp(fit - fit.max() - 2.0 * sharp.ravel() ** 2 - 0.5 * call.ravel() ** 2)
    middle = (weight * call.ravel()).sum() / weight.sum()
    spread = math.sqrt((weight * (call.ravel() - middle) ** 2).sum() / weight.sum())
    found = belief.draws[:, NAMES.index("call") + 1] - prior.mean[NAMES.index("call") + 1]
    assert found.mean() == pytest.approx(middle, abs=0.15 * spread)
    assert found.std() == pytest.approx(spread, rel=0.15)
    harm = belief.draws[:, NAMES.index("harm") + 1]
    assert harm.std() == pytest.approx(1.0, rel=0.1)


def test_answers_may_come_one_by_one_or_all_at_once(person, made_up):
    """The crowd is another one, and says the same."""
    prior, asked = beforehand(Costs()), person(4).says(made_up[:40])
    belief = prior
    for place in range(len(asked)):
        belief = learn(belief, asked.until(place + 1).after(place))
    assert len(belief.said) == 40
    at_once = learn(prior, asked)
    assert belief.draws.mean(0) == pytest.approx(at_once.draws.mean(0), abs=0.2)


def test_which_plan_stands_first_changes_nothing(person, made_up):
    """Turned round, with the opposite answer, the same is learned."""
    prior, asked = beforehand(Costs()), person(5).says(made_up[:40])
    turned = Comparisons(saved=-asked.saved, first=1.0 - asked.first, weight=asked.weight)
    assert learn(prior, turned).draws == pytest.approx(learn(prior, asked).draws, abs=1e-6)


def test_equal_says_that_both_come_to_the_same():
    """Whoever finds a call for nothing equal to 40 s of trouble, again and again, puts it near 40 s."""
    prior = beforehand(Costs())
    belief = learn(prior, said([row(40.0, false_call=-1.0)] * 60, 0.5))
    assert belief.costs.false_call == pytest.approx(40.0, rel=0.15)
    assert belief.costs.harm == pytest.approx(Costs().harm, rel=0.15)


def test_one_slip_does_not_move_everything():
    """One answer that says a call for nothing is worth more than an hour of trouble does not outweigh thirty others."""
    prior = beforehand(Costs())
    sane = [row(60.0, false_call=-1.0), row(-180.0, false_call=1.0)] * 15
    before = learn(prior, Comparisons(saved=np.array(sane), first=np.array([0.0, 0.0] * 15), weight=np.ones(30)))
    slip = Comparisons(saved=np.array([*sane, row(3600.0, false_call=-1.0)]), first=np.array([0.0] * 31), weight=np.ones(31))
    after = learn(prior, slip)
    assert 60.0 < before.costs.false_call < 180.0
    assert after.costs.false_call < 1.1 * before.costs.false_call


def test_nobody_is_taken_to_be_certain():
    """However sharp somebody is and however clear the case, one answer of a hundred is a slip."""
    sharp = beforehand(Costs()).mean + np.array([3.0, *[0.0] * len(NAMES)])
    chance = chances(sharp[None], np.array([row(3600.0), row(-3600.0)]))
    assert chance[:, 0] == pytest.approx([0.99, 0.01], abs=1e-4)


def test_a_rating_counts_as_much_as_it_is_given():
    """Four quarters of an answer are one answer."""
    prior, gain = beforehand(Costs()), row(30.0, call=-1.0)
    whole, quarters = learn(prior, said([gain], 0.0)), learn(prior, said([gain] * 4, 0.0, weight=0.25))
    assert quarters.draws.mean(0) == pytest.approx(whole.draws.mean(0), abs=0.1)
    assert learn(prior, said([gain], 0.0, weight=0.25)).costs.call < whole.costs.call


def test_intervals_hold_what_they_say(person, made_up):
    """Of 40 people's weights after 30 answers, about 95 in 100 are inside; of these 280 at least 0.92."""
    inside = [
        low <= getattr(she.costs, name) <= high
        for she in map(person, range(40))
        for belief in [learn(beforehand(Costs()), she.says(made_up[she.random.integers(0, len(made_up), 30)]))]
        for name in NAMES
        for low, high in [belief.interval(name)]
    ]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_a_weight_of_nothing_can_be_begun_with():
    """What costs nothing beforehand is taken for next to nothing, since it has no logarithm."""
    assert beforehand(Costs(repair=0.0)).costs.repair == pytest.approx(LEAST_S)


def test_nothing_breaks_where_plans_are_worlds_apart():
    """Answers about plans that differ by days leave finite weights."""
    belief = learn(beforehand(Costs()), said([row(1e6, harm=-30.0), row(-1e6, healthy=50.0)], 1.0))
    assert np.isfinite(belief.draws).all()
