"""What drills cost, and what a policy lost."""

from dataclasses import fields, replace

import pytest
import torch

from ordertrainer.costs import Costs
from ordertrainer.evolve.ledger import GOAL_S, Ledger, cost_s, spent
from ordertrainer.evolve.population import Population
from ordertrainer.evolve.regret import Given, live, regret_s
from ordertrainer.sim import Outcome, Shares, Simulator, Uniform
from ordertrainer.sim.levels import NEVER_S, afflict
from ordertrainer.sim.policies import Oracle

NOTHING = dict.fromkeys(("quiet", "decoy", "single", "pair", "buried", "triple", "beside"), 0.0)


class Waits:
    """Does nothing at all."""

    def act(self, sim, seen):
        """Wait everywhere."""
        return torch.full((len(sim.state),), sim.compiled.wait)


class Calls:
    """Calls a person at once."""

    def act(self, sim, seen):
        """Call."""
        return torch.full((len(sim.state),), sim.compiled.escalate)


@pytest.fixture
def quiet(world, generator):
    """Return four hosts to which nothing happens."""
    return Uniform(world, shares=Shares(**{**NOTHING, "quiet": 1.0})).draw(4, generator(0))


def outcome(**happened):
    """Return an outcome of one host in which all is false or nothing but what is said."""
    names = {f.name for f in fields(Outcome)}
    return Outcome(**{name: torch.tensor([happened.get(name, False)]) for name in names})


@pytest.mark.parametrize(
    ("happened", "seconds"),
    [
        ({}, 0.0),
        ({"sick": 2}, 1.0),
        ({"ended": True, "risk": 1.0}, 5.0),
        ({"ended": True, "risk": 3.0, "host_wide": True}, 21.0),
        ({"ended": True, "not_the_case": True, "risk": 3.0}, 0.0),
        ({"ended": True, "touched_healthy": True, "harmful": True, "risk": 1.0}, 125.0),
        ({"sick": 1, "escalated_rightly": True}, 21.0),
        ({"escalated_wrongly": True}, 120.0),
        ({"stopped_wrongly": True}, 120.0),
    ],
)
def test_a_second_costs_what_the_weights_say(happened, seconds):
    """Everything in seconds of trouble; to look costs nothing but the time it takes."""
    assert float(cost_s(outcome(**happened), Costs())) == seconds


def test_trouble_is_paid_for_and_the_goal_once(world, quiet):
    """A host that is left broken costs each second and gets no goal; one in order gets it at its end; a call ends the trouble."""
    broken = afflict(world, quiet, "service_kill", onset_s=20.0)
    left = live(Waits(), world, broken, Costs(), whole=True)
    assert left.returned.tolist() == [-101.0] * 4
    fine = live(Waits(), world, quiet, Costs(), whole=True)
    assert fine.returned.tolist() == [GOAL_S] * 4
    assert live(Waits(), world, quiet, Costs()).returned.tolist() == [GOAL_S] * 4
    called = live(Calls(), world, quiet, Costs())
    assert called.returned.tolist() == [-120.0] * 4


def test_a_drill_ends_early_once_nothing_is_left_to_happen(world, quiet):
    """Never before what is still to come, what is not repaired yet, or a repair that runs."""
    broken = afflict(world, quiet, "service_kill", onset_s=20.0)
    sim = Simulator(world, hosts=4, seed=0, chaos=Given(broken))
    ledger, ends = Ledger(sim, Costs(), whole=False), None
    oracle = Oracle()
    while bool(ledger.lives.any()):
        ledger.add(sim.step(oracle.act(sim, sim.observe())))
        repaired_s = float(sim.state.ended_s[0].max())
        assert repaired_s < NEVER_S or not bool(ledger.tally.over.any())
        ends = float(sim.state.at_s.max())
    assert max(30.0, repaired_s) + 10.0 <= ends < 90.0
    assert not bool(spent(Simulator(world, hosts=4, seed=0, chaos=Given(broken))).any())
    assert ledger.played().settled.all()


def test_ending_early_changes_nothing_for_the_oracle(world, held, generator):
    """What is cut off is a time in which all is in order."""
    levels = Population(world, held).flat.draw(64, generator(3))
    whole, cut = (live(Oracle(), world, levels, Costs(), whole=flag) for flag in (True, False))
    assert torch.equal(whole.played.settled, cut.played.settled)
    torch.testing.assert_close(whole.returned, cut.returned)
    assert cut.played.lived_s.mean() < 0.8 * whole.played.lived_s.mean()


def test_regret_is_what_knowing_would_have_been_worth(world, quiet):
    """Nothing for the oracle itself, and for who waits where nothing happens; never below nothing."""
    broken = afflict(world, quiet, "service_kill", onset_s=20.0)
    best, left = live(Oracle(), world, broken, Costs()), live(Waits(), world, broken, Costs())
    assert regret_s(best, best).tolist() == [0.0] * 4
    assert (regret_s(best, left) > 100.0).all()
    assert regret_s(left, best).tolist() == [0.0] * 4


def test_given_levels_begin_all_together(quiet):
    """A simulator of another size is refused."""
    with pytest.raises(ValueError, match="5 levels were asked of 4"):
        Given(quiet).draw(5, torch.Generator())
    assert Given(replace(quiet)).draw(4, torch.Generator()).seed.equal(quiet.seed)
