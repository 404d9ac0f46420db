"""Drills that are learned from, and what is learned."""

from dataclasses import replace

import pytest
import torch

from ordertrainer.costs import Costs
from ordertrainer.evolve.critic import SCALE_S
from ordertrainer.evolve.drilling import EAGER, PACE_S, Drilling, Kept, values
from ordertrainer.evolve.learning import Learner, Learning
from ordertrainer.evolve.limits import Limits, Prices
from ordertrainer.evolve.lot import log_lots
from ordertrainer.evolve.population import Even
from ordertrainer.evolve.regret import Given
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import copy_of, policy_of, read_policy
from ordertrainer.policy.decisions import inputs
from ordertrainer.sim import Simulator

HOSTS = 16


@pytest.fixture(scope="module")
def drill(playbooks, world, held, imitated, generator):
    """Return what drills an untrained network."""

    def run(kept=None, prices=None, seed=0):
        levels = Even(world, held).draw(HOSTS, generator(seed)).levels
        sim = Simulator(world, hosts=HOSTS, seed=seed, chaos=Given(levels))
        network = Network(policy_of(read_policy(imitated)), playbooks.contracts)
        prices = prices or Prices(limits=Limits())
        drilling = Drilling(sim, network, Costs(), prices, kept=kept or Kept(), sharpness=1.0)
        return drilling.lived(lambda _share: None)

    return run


@pytest.fixture(scope="module")
def drilled(drill):
    """Return drills of which every decision is kept."""
    return drill(Kept(tempting=1.0, calm=1.0))


def test_every_drill_is_lived_to_its_end(drilled):
    """Rewards add up to what the drills returned; nothing is counted after the end."""
    torch.testing.assert_close(drilled.reward.sum(0) * SCALE_S, drilled.ledger.returned, rtol=1e-4, atol=1e-2)
    assert drilled.over[-1].all()
    assert (drilled.reward[~drilled.lived] == 0.0).all()
    assert (drilled.lived[1:] == ~drilled.over[:-1]).all()
    assert len(drilled.seen.truth) == len(drilled.reward) + 1
    assert drilled.ledger.played().lived_s.max() <= PACE_S * len(drilled.reward)


def test_what_is_kept_could_be_done_and_was_drawn_when_it_was_wanted(playbooks, world, imitated, drilled):
    """Each action is one that mask and gates allow, with some probability; no person is called within seconds."""
    chosen, kept = drilled.chosen, drilled.decisions
    assert kept.mask.gather(1, chosen.action[:, None]).all()
    assert drilled.lived[chosen.step, chosen.host].all()
    net = policy_of(read_policy(imitated))
    lots = log_lots(net.logits(inputs(world, playbooks.contracts, kept)).action, chosen.gates, 1.0)
    drawn = lots.gather(1, chosen.action[:, None])[:, 0].exp()
    assert (drawn > 0.0).all()
    assert (chosen.action < world.wait).any()
    calls = chosen.action == world.escalate
    assert (chosen.step[calls] * PACE_S >= EAGER.call_after_s).all()
    assert (chosen.action != world.stop).all()


def test_decisions_that_are_not_kept_are_stood_for(drill, drilled):
    """All that was done is kept; of the decisions to wait some, with weights that make up for the others."""
    few = drill(Kept(tempting=0.5, calm=0.25))
    assert len(few.decisions) < 0.75 * len(drilled.decisions)
    total = float(few.decisions.weight.sum())
    assert abs(total / float(drilled.decisions.weight.sum()) - 1.0) < 0.25
    acts = few.chosen.action < few.ledger.tally._world.wait
    assert (few.decisions.weight[acts] == 1.0).all()


def test_prices_are_paid_for_what_is_limited(drill):
    """A price on touching what is healthy lowers the rewards of who does, by as much as it is."""
    free = drill(seed=4)
    assert float(free.ledger.healthy.sum()) > 0.0
    dear = drill(prices=Prices(limits=Limits(), now_s={"healthy": 30.0, "harmful": 0.0}), seed=4)
    lost_s = (free.reward - dear.reward).sum() * SCALE_S
    torch.testing.assert_close(lost_s, 30.0 * free.ledger.healthy.sum(), rtol=1e-3, atol=0.1)


def test_it_learns_to_leave_alone_what_costs(playbooks, drilled, imitated):
    """Where every repair went worse than waiting, repairs are drawn less often afterwards, and no imitation says so."""
    net = policy_of(read_policy(imitated))
    learner = Learner(playbooks, net, copy_of(net), copy_of(net), Learning(teach=0.0, kl=0.0, passes=2, far=9.0, sharpness=1.0))
    acts = drilled.chosen.action < playbooks.world.wait
    reward = torch.zeros_like(drilled.reward)
    reward[drilled.chosen.step[acts], drilled.chosen.host[acts]] = -1.0
    before = _repairing(playbooks, net, drilled)
    learner.learn(replace(drilled, reward=reward), torch.Generator().manual_seed(0))
    assert _repairing(playbooks, net, drilled) < before - 0.02


def test_a_strong_hold_on_the_imitated_policy_keeps_it_there(playbooks, drilled, imitated):
    """The distance to it stays smaller the more it weighs."""
    found = []
    for kl in (0.0, 30.0):
        net = policy_of(read_policy(imitated))
        learner = Learner(playbooks, net, copy_of(net), copy_of(net), Learning(teach=0.0, kl=kl, far=9.0, sharpness=1.0))
        for number in range(2):
            line = learner.learn(drilled, torch.Generator().manual_seed(number))
        found.append(line["kl_imitated"])
    assert 0.0 <= found[1] < 0.5 * found[0]


def test_the_critic_learns_what_is_to_come(playbooks, drilled, imitated):
    """Its error on the same drills falls, and it expects nothing of those that are over."""
    torch.manual_seed(0)
    net = policy_of(read_policy(imitated))
    learner = Learner(playbooks, net, net, net, Learning(batch=64, passes=4))
    draws = torch.Generator().manual_seed(0)
    came = drilled.reward.flip(0).cumsum(0).flip(0)
    losses = [learner.criticise(drilled.seen, came, drilled.lived, draws)["loss_critic"] for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]
    assert (values(learner.critic, drilled)[:-1][~drilled.lived] == 0.0).all()


def _repairing(playbooks, net, drilled):
    """Return the mean probability of repairing anything, where it was possible."""
    with torch.no_grad():
        logits = net.logits(inputs(playbooks.world, playbooks.contracts, drilled.decisions)).action
        lots = log_lots(logits, drilled.chosen.gates, 1.0).exp()
    return float(lots[drilled.chosen.repair][:, : playbooks.world.wait].sum(-1).mean())
