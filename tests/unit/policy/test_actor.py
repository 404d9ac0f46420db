"""How beliefs become actions."""

from types import SimpleNamespace

import pytest
import torch

from ordertrainer.policy.actor import Beliefs, Care, Network, decide
from ordertrainer.policy.floored import FLOOR_AFTER_S, Floored
from ordertrainer.sim import Shares, Simulator, Uniform
from ordertrainer.sim.levels import afflict
from ordertrainer.sim.policies import Rules

WAIT, STOP, CALL = 4, 5, 6


@pytest.mark.parametrize(
    ("beliefs", "action"),
    [
        ([0.9, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0], 0),
        ([0.2, 0.25, 0.2, 0.0, 0.05, 0.0, 0.3], 1),
        ([0.1, 0.1, 0.1, 0.1, 0.6, 0.0, 0.0], WAIT),
        ([0.1, 0.1, 0.0, 0.0, 0.2, 0.0, 0.6], CALL),
        ([0.1, 0.2, 0.0, 0.0, 0.25, 0.0, 0.45], WAIT),
        ([0.0, 0.0, 0.0, 0.0, 0.3, 0.6, 0.1], STOP),
    ],
    ids=["sure", "repairs together beat a person", "wait", "person", "not sure enough of a person", "stop"],
)
def test_the_likeliest_kind_of_action_is_taken(beliefs, action):
    """Repairs are added up before they are held against waiting and a person."""
    assert decide(torch.tensor([beliefs]), Care()).tolist() == [action]


def test_a_careful_network_repairs_later():
    """Below what it takes, it waits."""
    beliefs = torch.tensor([[0.4, 0.3, 0.0, 0.0, 0.3, 0.0, 0.0]])
    assert decide(beliefs, Care(repair_min=0.6)).tolist() == [0]
    assert decide(beliefs, Care(repair_min=0.8)).tolist() == [WAIT]


def test_a_network_never_does_what_it_may_not(world, playbooks, untrained):
    """Whatever it believes: its actions are always among those allowed, and hosts under repair are left alone."""
    sim, network = Simulator(world, hosts=64, seed=8), Network(untrained, playbooks.contracts, Care(repair_min=0.0, call_min=1.0))
    for _ in range(40):
        seen = sim.observe()
        actions, mask = network.act(sim, seen), sim.masks(seen)
        assert mask.gather(1, actions[:, None]).all()
        assert (actions[~sim.state.idle] == world.wait).all()
        assert not sim.step(actions).refused.any()


def chosen(world, network, seconds, action):
    """Return what is done in each second, on one host of which always the same is believed."""
    probability = torch.zeros(1, world.actions)
    probability[0, action] = 1.0
    done = []
    for at_s in seconds:
        sim = SimpleNamespace(compiled=world, state=SimpleNamespace(at_s=torch.tensor([float(at_s)])))
        done.append(int(network.choose(sim, Beliefs(where=torch.tensor([0]), probability=probability))))
    return done


def test_a_repair_has_to_be_wanted_twice(world, playbooks, untrained):
    """One sample that looks broken is not enough."""
    network = Network(untrained, playbooks.contracts)
    assert chosen(world, network, [5, 6, 7], 0) == [world.wait, 0, 0]


def test_a_person_has_to_be_wanted_for_longer(world, playbooks, untrained):
    """What only looks broken is often over by then; whatever is wanted between begins the wait anew."""
    network, call, wait = Network(untrained, playbooks.contracts, Care(call_after_s=3.0)), world.escalate, world.wait
    assert chosen(world, network, range(5, 10), call) == [wait, wait, wait, call, call]
    assert chosen(world, network, [10], wait) == [wait]
    assert chosen(world, network, range(11, 15), call) == [wait, wait, wait, call]


def test_a_new_episode_begins_the_wait_anew(world, playbooks, untrained):
    """What was wanted before a reset was wanted of another host."""
    network = Network(untrained, playbooks.contracts, Care(call_after_s=2.0))
    assert chosen(world, network, [50, 51, 52], world.escalate)[-1] == world.escalate
    assert chosen(world, network, [0, 1, 2], world.escalate) == [world.wait, world.wait, world.escalate]


def stopped(world):
    """Return a host on which a service was stopped before the first second, and nothing else happens."""
    quiet = Uniform(world, shares=Shares(quiet=1.0, decoy=0, single=0, pair=0, buried=0))
    sim = Simulator(world, hosts=1, seed=2, chaos=quiet)
    sim.begin(torch.tensor([0]), afflict(world, quiet.draw(1, torch.Generator().manual_seed(0)), "service_stop"))
    return sim


def test_rules_act_where_the_network_waits_for_too_long(world, playbooks, untrained):
    """A model never silences a rule; it gets its time first."""
    never = Network(untrained, playbooks.contracts, Care(repair_min=2.0, call_min=2.0))
    sim, floored, done = stopped(world), Floored(never, Rules(playbooks.repairs)), []
    for _ in range(int(FLOOR_AFTER_S) + 1):
        done.append(int(floored.act(sim, sim.observe())))
        sim.step(torch.tensor(done[-1:]))
    assert done == [world.wait] * int(FLOOR_AFTER_S) + [world.action(0, "service_start")]


def test_rules_are_not_asked_where_the_network_acts(world, playbooks, untrained):
    """Whoever is surer decides; two hands on one service are one too many."""

    class Restless(Network):
        def choose(self, sim, beliefs):
            return torch.full((1,), sim.compiled.action(0, "service_start"))

    sim, floored = stopped(world), Floored(Restless(untrained, playbooks.contracts), None, floor_after_s=0.0)
    assert int(floored.act(sim, sim.observe())) == world.action(0, "service_start")
