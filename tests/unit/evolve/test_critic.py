"""The critic sees what no host tells, and leaves no trace in what is examined."""

import torch

from ordertrainer.evolve.critic import LANES, OF_A_HOST, OF_A_LANE, Critic, truths
from ordertrainer.evolve.regret import Given
from ordertrainer.sim import Shares, Simulator, Uniform
from ordertrainer.sim.levels import afflict


def test_it_sees_a_fault_that_no_window_shows(world, generator):
    """What lies hidden behind another fault looks the same to orderd, and not to the critic."""
    shares = dict.fromkeys(("decoy", "single", "pair", "buried", "triple", "beside"), 0.0)
    quiet = Uniform(world, shares=Shares(quiet=1.0, **shares)).draw(3, generator(0))
    one = afflict(world, quiet, "service_kill", onset_s=0.0)
    two = afflict(world, one, "service_kill", lane=2, onset_s=0.0, behind=True)
    sims = [Simulator(world, hosts=3, seed=0, chaos=Given(levels)) for levels in (one, two)]
    seen, same = (sim.observe() for sim in sims)
    torch.testing.assert_close(seen.rows, same.rows, equal_nan=True)
    truth, other = (truths(sim.state) for sim in sims)
    assert truth.truth.shape == (3, LANES * OF_A_LANE + OF_A_HOST)
    assert truth.truth.isfinite().all()
    critic = Critic(world.no_fault)
    assert (critic(truth) != critic(other)).all()
