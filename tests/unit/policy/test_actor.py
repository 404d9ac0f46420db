"""How beliefs become actions."""

import pytest
import torch

from ordertrainer.policy.actor import Care, Network, decide
from ordertrainer.sim import Simulator

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
