"""Base rates: what flat chaos draws, and weights that keep to it."""

import torch

from ordertrainer.evolve.population import Population
from ordertrainer.evolve.strata import BURIED, DECOY, PAIR, QUIET, SINGLE, TRIPLE, flat_rates, kinds_of, raked, spread, strata
from ordertrainer.policy.levels import Trained
from ordertrainer.sim import Shares, Uniform
from ordertrainer.sim.levels import LANES


def test_kinds_are_those_that_were_drawn(world, generator):
    """Each kind of level is told from its lanes alone."""
    for kind, name in (
        (QUIET, "quiet"),
        (DECOY, "decoy"),
        (SINGLE, "single"),
        (PAIR, "pair"),
        (BURIED, "buried"),
        (TRIPLE, "triple"),
    ):
        shares = {"quiet": 0.0, "decoy": 0.0, "single": 0.0, "pair": 0.0, "buried": 0.0, "triple": 0.0, name: 1.0}
        levels = Uniform(world, shares=Shares(**shares)).draw(50, generator(1))
        assert (kinds_of(world, levels) == kind).all(), name


def test_rates_are_those_of_flat_chaos(world, held, generator):
    """The rates that follow from its tables are how often it draws, stratum by stratum."""
    chaos, count = Trained(world, held), 40_000
    rates = flat_rates(chaos)
    torch.testing.assert_close(rates.view(LANES, -1).sum(-1), torch.ones(LANES))
    places = strata(world, chaos.draw(count, generator(2)))
    found = torch.zeros_like(rates).scatter_add_(0, places.flatten(), torch.full((places.numel(),), 1.0)) / count
    deviation = (rates * (1.0 - rates) / count).sqrt()
    assert ((found > 0) <= (rates > 0)).all()
    assert ((found - rates).abs() <= 5.0 * deviation + 1e-6).all()


def test_raked_weights_have_flat_margins_whatever_is_preferred(world, held, generator):
    """Levels of one family that weigh a hundredfold get no more of the whole; within families they keep their order."""
    flat = Population(world, held).flat
    levels = flat.draw(6000, generator(3))
    rates, places = flat_rates(flat), strata(world, levels)
    hard = levels.fault[:, 0] == levels.fault[0, 0]
    strong = levels.intensity[:, 0] > 0.6
    weight = raked(torch.where(hard, 100.0, 1.0) * torch.where(strong, 3.0, 1.0), places, rates)
    for lane in range(LANES):
        there = torch.zeros_like(rates).scatter_add_(0, places[lane], weight)
        covered = torch.zeros_like(rates).scatter_add_(0, places[lane], torch.ones_like(weight)) > 0
        wanted = rates.view(LANES, -1)[lane].sum()
        assert (there - rates)[covered].abs().sum() < 0.01 * wanted
    assert 2.5 < float(weight[strong].sum() / strong.sum() / (weight[~strong].sum() / (~strong).sum())) < 3.5


def test_draws_are_evenly_spread(generator):
    """What has a tenth of the weight is drawn a tenth of the time, to one draw, if it lies together."""
    weight = torch.cat((torch.full((7,), 0.1 / 7), torch.full((50,), 0.9 / 50)))
    for seed in range(5):
        drawn = spread(weight, 30, generator(seed))
        assert abs(int((drawn < 7).sum()) - 3) <= 1
        assert int(drawn.max()) < 57
