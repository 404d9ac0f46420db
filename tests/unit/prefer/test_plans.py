"""Plans to choose from, as the simulator lived them."""

import numpy as np
import torch

from ordertrainer import heldout
from ordertrainer.costs import NAMES, Costs
from ordertrainer.evolve.ledger import cost_s
from ordertrainer.heldout import Part
from ordertrainer.prefer import plans
from ordertrainer.prefer.bills import COLUMNS, total_s
from ordertrainer.prefer.comparisons import saved
from ordertrainer.prefer.habits import BLIND, HABITS, Habits
from ordertrainer.prefer.plans import DEEDS_MAX, bill_of, draw_scenes
from ordertrainer.sim import Simulator, observe
from ordertrainer.sim.levels import NEVER_S


def test_equal_seeds_are_equal_scenes(playbooks, monkeypatch):
    """To the second; another seed is another host."""
    monkeypatch.setattr(plans, "HORIZON_S", (15.0, 30.0))
    first, again = (draw_scenes(playbooks.world, heldout.load(), 2, 1) for _ in range(2))
    assert first == again
    assert first != draw_scenes(playbooks.world, heldout.load(), 2, 2)


def test_scenes_keep_to_the_locked_split(scenes):
    """What people are asked about is what may be trained on, and no more than two faults at once."""
    held = heldout.load()
    for scene in scenes:
        assert all(held.part(trouble.fault) is Part.TRAIN for trouble in scene.troubles)
        held.check_together([trouble.fault for trouble in scene.troubles if not trouble.decoy])


def test_no_two_plans_of_a_scene_come_to_the_same(scenes):
    """There is something to choose, and no story is too long to be told."""
    for scene in scenes:
        assert len({plan.bill for plan in scene.plans}) == len(scene.plans) > 1
        assert all(len(plan.deeds) <= DEEDS_MAX for plan in scene.plans)


def test_a_bill_says_what_the_deeds_say(scenes):
    """Repairs that touched, healthy things touched and harm are counted from the same seconds."""
    for plan in (plan for scene in scenes for plan in scene.plans):
        touched = [deed for deed in plan.deeds if not deed.looked]
        assert plan.bill.repair == len(touched)
        assert plan.bill.healthy == sum(deed.healthy for deed in touched)
        assert plan.bill.harm == sum(deed.harmful for deed in touched)
        assert plan.bill.call + plan.bill.false_call <= 1.0


def test_a_scene_ends_with_a_call_or_when_somebody_looks(scenes):
    """Whoever calls a person is not charged for what comes later."""
    for scene in scenes:
        for plan in scene.plans:
            called = plan.bill.call + plan.bill.false_call
            assert plan.end_s <= scene.horizon_s + 1.0 if called else plan.end_s >= scene.horizon_s
            assert plan.bill.trouble_s <= plan.end_s - scene.troubles[0].onset_s + 1.0


def test_every_weight_is_in_the_balance_somewhere(scenes):
    """Each column differs between the plans of many scenes, and trouble does against every weight."""
    gains = saved([pair for scene in scenes for pair in ((one.bill, other.bill) for one, other in scene.pairs())])
    for place in range(1, len(COLUMNS)):
        against = (gains[:, place] * gains[:, 0]) < 0.0
        assert against.sum() >= 10, COLUMNS[place]
    assert np.linalg.matrix_rank(gains) == len(COLUMNS)


def test_a_bill_is_what_training_minimises(playbooks):
    """Under any weights a second comes to what the reward of training takes off for it."""
    sim = Simulator(playbooks.world, hosts=len(HABITS), seed=3)
    policy = Habits(HABITS, playbooks.world, sim.state.levels)
    costs = Costs(**{name: 1.0 + place for place, name in enumerate(NAMES)})
    weights = torch.tensor([1.0, *(getattr(costs, name) for name in NAMES)])
    for _ in range(90):
        outcome = sim.step(policy.act(sim, observe(playbooks.world, sim.state, plans.NEWEST)))
        assert torch.allclose(bill_of(outcome) @ weights, cost_s(outcome, costs).to(torch.float32))


def test_who_acts_later_has_more_trouble(scenes):
    """On hosts with one fault that both habits repair; they do the same, one of them later."""
    later = 0
    for scene in scenes:
        told = {plan.habit: plan for plan in scene.plans}
        early, late = told.get("mild at once"), told.get("mild late")
        if len(scene.troubles) == 1 and early and late and early.bill.repair == late.bill.repair == 1.0:
            assert late.bill.trouble_s > early.bill.trouble_s
            later += 1
    assert later


def test_who_goes_astray_touches_what_is_well(scenes):
    """On hosts with a fault, something that nothing happens to; whoever knows what is wrong touches nothing healthy otherwise."""
    astray = {habit.name for habit in HABITS if habit.astray}
    faults = [scene for scene in scenes if not any(trouble.decoy for trouble in scene.troubles)]
    for scene in faults:
        touched = {name for name, bill in scene.bills.items() if bill.healthy}
        assert astray <= touched
        assert "mild at once" not in touched


def test_who_is_fooled_acts_on_what_only_looks_broken(scenes):
    """On decoys alone, only those are charged who take them for faults; who waits until they are over pays nothing."""
    decoys = [scene for scene in scenes if all(trouble.decoy for trouble in scene.troubles)]
    assert decoys
    for scene in decoys:
        assert scene.troubles[0].ends_s < NEVER_S
        assert all(bill.trouble_s == 0.0 for bill in scene.bills.values())
        charged = {name for name, bill in scene.bills.items() if total_s(Costs(), bill) > 0.0}
        assert {"calls after 0 s"} <= charged <= BLIND
        assert "calls after 35 s" not in charged


def test_every_habit_is_charged_on_every_host(scenes):
    """Whether or not its plan is told; those whose plans are told are charged what these come to."""
    for scene in scenes:
        assert set(scene.bills) == {habit.name for habit in HABITS}
        assert all(scene.bills[plan.habit] == plan.bill for plan in scene.plans)
