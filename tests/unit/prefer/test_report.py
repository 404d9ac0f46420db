"""What a fit comes to."""

import numpy as np
import pytest

from ordertrainer.costs import NAMES, Costs
from ordertrainer.prefer.belief import beforehand, learn
from ordertrainer.prefer.bills import Bill
from ordertrainer.prefer.comparisons import Comparisons
from ordertrainer.prefer.report import agreement, figures, turned, ways
from ordertrainer.prefer.scenes import Plan, Scene


def plan(**bill):
    """Return a plan that comes to something."""
    return Plan(habit="mine", bill=Bill(**bill), deeds=(), end_s=60.0, broken=False)


def scene(*plans, **bills):
    """Return a host with plans, and what habits come to on it."""
    return Scene(troubles=(), horizon_s=60.0, plans=plans, bills=bills)


def test_learned_weights_agree_with_answers_that_were_left_out(person, made_up):
    """More often than the defaults do with somebody who weighs otherwise."""
    she = person(3)
    she.costs = Costs(repair=20.0, host_wide=1.0, healthy=3.0, harm=6.0, call=90.0, false_call=15.0)
    told = agreement(beforehand(Costs()), she.says(made_up[:120]))
    assert told["answers"] == 120
    assert told["after"] > told["before"] + 0.05


def test_an_answer_does_not_speak_for_itself():
    """Two answers about two weights, both against the defaults: learned from both, both are agreed with; left out, neither is."""
    prior = beforehand(Costs())
    gains = np.zeros((2, len(NAMES) + 1))
    gains[:, 0] = (-60.0, -180.0)
    gains[0, NAMES.index("call") + 1] = gains[1, NAMES.index("harm") + 1] = 1.0
    said = Comparisons(saved=gains, first=np.ones(2), weight=np.full(2, 20.0))
    assert (learn(prior, said).prefers_first(gains) > 0.5).all()
    assert agreement(prior, said) == {"answers": 2, "before": 0.0, "after": 0.0}


def test_agreement_needs_answers(made_up):
    """One answer, or none that prefers a plan, is not enough."""
    one = Comparisons(saved=made_up[:1], first=np.ones(1), weight=np.ones(1))
    even = Comparisons(saved=made_up[:9], first=np.full(9, 0.5), weight=np.ones(9))
    assert agreement(beforehand(Costs()), one) is None
    assert agreement(beforehand(Costs()), even) is None


def test_figures_tell_what_moved_and_how_many_answers_bear_on_it():
    """A weight that thirty answers put elsewhere has moved, one that none is about has not."""
    prior = beforehand(Costs())
    gain = [-60.0, *(1.0 if name == "call" else 0.0 for name in NAMES)]
    said = Comparisons(saved=np.array([gain] * 30), first=np.ones(30), weight=np.ones(30))
    told = figures(prior, learn(prior, said), said)
    call, harm = told["weights"]["call"], told["weights"]["harm"]
    assert (call["moved"], call["answers"], call["before"]) == (True, 30, pytest.approx(20.0))
    assert call["low"] > 20.0
    assert (harm["moved"], harm["answers"]) == (False, 0)
    assert told["known_within_factor"] < told["known_within_factor_before"] == pytest.approx(np.e, rel=0.05)


def test_another_weight_turns_plans_round():
    """The two plans whose order turned most are told for each host, and the host on which most turned comes first."""
    waits, late, calls = plan(trouble_s=50.0), plan(trouble_s=90.0), plan(trouble_s=5.0, call=1.0)
    repairs = plan(trouble_s=5.0, repair=1.0)
    hosts = [scene(waits, calls), scene(waits, late, calls), scene(waits, repairs)]
    dear, cheap = Costs(call=200.0), Costs(call=1.0)
    found = turned(hosts, dear, cheap)
    assert [(case.scene, case.before, case.after) for case in found] == [(hosts[1], late, calls), (hosts[0], waits, calls)]
    assert found[0].turned_s == pytest.approx(min(205.0 - 90.0, 90.0 - 6.0))
    assert not turned(hosts, dear, dear)


def test_another_weight_is_another_way_of_keeping_hosts():
    """Who does not know what is wrong calls somebody as long as that is cheap; averages are over hosts."""
    hosts = [
        scene(calls=Bill(false_call=1.0), tries=Bill(trouble_s=40.0), unasked=Bill()),
        scene(calls=Bill(), tries=Bill(repair=10.0)),
    ]
    told = ways(hosts, ["calls", "tries"], Costs(false_call=10.0), Costs(false_call=300.0))
    assert list(told) == ["tries", "calls"]
    assert told == {"tries": {"before": 30.0, "after": 30.0}, "calls": {"before": 5.0, "after": 150.0}}
