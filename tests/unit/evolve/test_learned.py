"""Chaos that learns: finds what hurts, keeps to its floor and to the split."""

import math

import pytest
import torch

from ordertrainer.evolve.learned import NAMES, Learned
from ordertrainer.evolve.population import Population
from ordertrainer.evolve.strata import BURIED, PAIR, kinds_of


@pytest.fixture
def flat(world, held):
    """Return flat chaos of faults."""
    return Population(world, held).flat


def taught(flat, generator, hurts, rounds=8, floor=0.3):
    """Return chaos against somebody whom some levels hurt: ``hurts`` returns seconds for levels."""
    chaos = Learned(flat, floor=floor, fades=1.0)
    for number in range(rounds):
        choices = chaos.choose(150, generator(number))
        chaos.learn(choices.chosen, hurts(choices.levels))
    return chaos


def test_it_finds_the_family_that_hurts(world, flat, generator):
    """Of some sixty families, after a thousand drills, whatever lane it is in."""
    worst = int(flat.first[2].nonzero()[7])
    chaos = taught(flat, generator, lambda levels: 80.0 * (levels.fault == worst).any(-1))
    rate = (chaos.draw(400, generator(99)).fault == worst).any(-1).to(torch.float32).mean()
    before = (flat.draw(400, generator(99)).fault == worst).any(-1).to(torch.float32).mean()
    assert float(before) < 0.1
    assert float(rate) > 0.4


def test_it_finds_traits_that_hurt(world, flat, generator):
    """Strong faults on slow hosts, in pairs that begin together."""

    def hurts(levels):
        together = (levels.onset_s[:, 1] - levels.onset_s[:, 0]) < 5.0
        return 40.0 * (levels.intensity[:, 0] > 0.7) + 40.0 * (levels.slow > 2.3) + 40.0 * together

    found = taught(flat, generator, hurts).draw(400, generator(99))
    assert float((found.intensity[:, 0] > 0.7).to(torch.float32).mean()) > 0.6
    assert float((found.slow > 2.3).to(torch.float32).mean()) > 0.6
    pairs = kinds_of(world, found) == PAIR
    assert float(pairs.to(torch.float32).mean()) > 0.5
    assert float((found.onset_s[pairs, 1] - found.onset_s[pairs, 0] < 5.0).to(torch.float32).mean()) > 0.6


@pytest.mark.parametrize("floor", [0.1, 0.3])
def test_entropy_never_falls_below_the_floor(world, flat, generator, floor):
    """Whatever it expects: of every choice, among those that are allowed."""
    chaos = taught(flat, generator, lambda levels: 1e4 * (levels.fault[:, 0] == int(flat.first[2].nonzero()[0])), floor=floor)
    adds_s = chaos.expected_s()
    assert set(adds_s) == set(NAMES)
    for name, allowed in (
        ("first", flat.first[2:5] > 0),
        ("second", flat.apart > 0),
        ("slow", torch.ones(1, 3, dtype=torch.bool)),
    ):
        drawn = chaos.probability(adds_s[name], allowed)
        assert (drawn[~allowed] == 0.0).all()
        entropy = torch.special.entr(drawn).sum(-1)
        least = floor * allowed.sum(-1).to(torch.float32).log()
        assert (entropy >= least - 1e-5).all(), name
    drawn = chaos.probability(adds_s["first"], flat.first[2:3] > 0)[0]
    assert float(torch.special.entr(drawn).sum()) < 0.7 * math.log(int((flat.first[2] > 0).sum()))


def test_all_that_it_draws_keeps_to_the_split(flat, generator):
    """Whatever it has learned: trained families, pairs and intensities, and levels as flat chaos makes them."""
    chaos = taught(flat, generator, lambda levels: 100.0 * torch.rand(len(levels), generator=generator(5)))
    levels = chaos.draw(3000, generator(6))
    flat.locked.refuse(levels)
    kinds = kinds_of(flat.world, levels)
    assert levels.behind.any(-1).equal(kinds == BURIED)
    later = levels.onset_s[:, 1] - levels.onset_s[:, 0]
    assert (later[kinds == PAIR] >= 0.0).all()
    assert (later[kinds == PAIR] <= 20.0).all()


def test_it_goes_on_from_its_state(flat, generator):
    """What was learned is all there is."""
    one = taught(flat, generator, lambda levels: 50.0 * (levels.slow > 2.0), rounds=2)
    other = Learned(flat, floor=0.3, fades=1.0)
    other.load(one.state())
    assert torch.equal(one.draw(20, generator(8)).fault, other.draw(20, generator(8)).fault)
