"""What is right, and what is kept of it."""

import pytest
import torch

from ordertrainer.policy.decisions import concatenate, inputs, keep, unmet
from ordertrainer.policy.labels import UNKNOWN, labels, right_actions
from ordertrainer.policy.rollout import Rollout, Watch
from ordertrainer.sim import Simulator
from ordertrainer.sim.candidates import outcomes
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.policies import Chance, expert

HOSTS = 128


@pytest.fixture(scope="module")
def lived(world):
    """Return moments of hosts that chance has acted on."""
    sim, chance, moments = Simulator(world, hosts=HOSTS, seed=3), Chance(1, waits=0.97), []
    for second in range(60):
        seen = sim.observe()
        if second % 6 == 0:
            moments.append((sim.state, seen, sim.usable(seen), sim.masks(seen)))
        sim.reset(sim.step(chance.act(sim, seen)).done)
    return moments


def test_the_experts_action_is_among_the_right_ones(world, lived):
    """In every moment, whatever was tried before."""
    some = 0
    for state, _, may, mask in lived:
        right = right_actions(world, state, may)
        assert (right == expert(world, state, may)[:, None]).any(-1).all()
        assert mask.gather(1, right)[state.idle].all()
        some += int((right[:, :1] != right).any(-1).sum())
    assert some > 10


def test_a_failure_without_a_name_is_called_unknown(world, lived):
    """Beside what the simulator's own labels say: a person is the answer, and somebody has to see it."""
    told = [labels(world, state, seen, may) for state, seen, may, _ in lived]
    failures = torch.cat([each.failure for each in told])
    assert (failures == UNKNOWN).any()
    assert (failures > 0).sum() > (failures == UNKNOWN).sum() > 0
    assert failures.max() < len(FAILURE_CLASSES)


def test_what_was_kept_is_what_was_seen(world, playbooks, lived):
    """Left-out columns come back as missing, and nothing else changes."""
    state, seen, may, mask = lived[-1]
    where = torch.tensor([5, 2, 77])
    told = labels(world, state, seen, may)
    tried = outcomes(world, state)
    kept = keep(world, where, seen=seen, tried=tried, mask=mask, told=told, weight=torch.ones(3))
    back = inputs(world, playbooks.contracts, kept)
    assert torch.equal(back.entities.nan_to_num(-7.0), seen.rows[where].nan_to_num(-7.0))
    assert torch.equal(back.host.nan_to_num(-7.0), seen.host[where].nan_to_num(-7.0))
    assert torch.equal(back.kind, seen.kind[where])
    assert torch.equal(back.present, seen.present[where])
    assert torch.equal(back.tried, tried[where])
    assert torch.equal(back.mask, mask[where])
    assert torch.equal(kept.right.long(), told.right[where])
    assert torch.equal(kept.failure.long(), told.failure[where])


def test_unmet_is_what_the_contract_calls_healthy_and_is_not(world, lived):
    """A repair that helped is called for no longer; one of a unit that is down is."""
    _, seen, may, _ = lived[-1]
    called_for = may & unmet(world, seen.rows)
    healthy = seen.present & (labels(world, *lived[-1][:3]).failure == 0)
    assert called_for.flatten(1).any(-1).float().mean() > 0.2
    assert called_for[healthy].float().mean() < 0.02


def test_the_first_moments_take_no_more_memory_than_they_need(world, lived):
    """What is left out is let go."""
    state, seen, may, mask = lived[0]
    told, tried = labels(world, state, seen, may), outcomes(world, state)
    every = keep(world, torch.arange(HOSTS), seen=seen, tried=tried, mask=mask, told=told, weight=torch.ones(HOSTS))
    few = concatenate([every, every]).first(10)
    assert len(few) == 10
    assert few.columns.untyped_storage().nbytes() == few.columns.nbytes


def test_a_roll_out_keeps_what_is_to_be_done_and_some_of_the_rest(world):
    """Of the moments in which the expert would act more than of calm ones, and calm ones count for more."""
    sim = Simulator(world, hosts=64, seed=4)
    kept = Watch(
        sim, Rollout(hosts=64, seconds=40, keep_act=1.0, keep_tempting=0.8, keep_tense=0.3, keep_calm=0.05), None, 1.0
    ).decisions(lambda _: None)
    acts = kept.right[:, 0] != world.wait
    assert 20 < int(acts.sum()) < len(kept) < 64 * 40 * 0.35
    assert (kept.weight[acts] == 1.0).all()
    assert sorted(set(kept.weight[~acts].tolist())) == pytest.approx([1.25, 1 / 0.3, 20.0])


def test_equal_seeds_keep_equal_moments(world):
    """Everything is drawn from the simulator's own generator."""
    twice = [
        Watch(Simulator(world, hosts=16, seed=9), Rollout(hosts=16, seconds=12), None, 1.0).decisions(lambda _: None)
        for _ in "ab"
    ]
    assert torch.equal(twice[0].columns.nan_to_num(-7.0), twice[1].columns.nan_to_num(-7.0))
    assert torch.equal(twice[0].right, twice[1].right)
