"""A fresh chaos finds what hurts a frozen policy."""

import torch

from ordertrainer.costs import Costs
from ordertrainer.evolve.exam import against_fresh_chaos, interval
from ordertrainer.evolve.fresh import Search, drawn, examined, trained_chaos
from ordertrainer.evolve.population import Population
from ordertrainer.sim.policies import Oracle


class Blind(Oracle):
    """The oracle, but for one family that it does not see."""

    def __init__(self, fault):
        """Be blind for a row of the catalogue."""
        self._fault = fault

    def act(self, sim, seen):
        """Do what the oracle does, and nothing where the family is."""
        there = (sim.state.levels.fault == self._fault).any(-1)
        return torch.where(there, sim.compiled.wait, super().act(sim, seen))


def test_it_finds_the_family_for_which_a_policy_is_blind(world, held):
    """Regret under it is a multiple of what flat chaos finds, and rises from round to round."""
    flat = Population(world, held).flat
    worst = int(((world.faults.cure_count[:-1] > 0) & (flat.first[2][:-1] > 0)).nonzero()[5])
    search = Search(rounds=5, hosts=64)
    chaos, rounds_s = trained_chaos(lambda: Blind(worst), flat, Costs(), search, seed=0)
    assert rounds_s[-1] > 4.0 * rounds_s[0]
    found = examined(Blind(worst), flat, drawn(chaos, flat, 48, seed=1), Costs(), rounds_s=rounds_s)
    even = examined(Blind(worst), flat, flat.draw(48, torch.Generator().manual_seed(2)), Costs())
    assert float(found.regret_s.mean()) > 4.0 * float(even.regret_s.mean())
    assert float((found.levels.fault == worst).any(-1).to(torch.float32).mean()) > 0.25


def test_the_oracle_has_nothing_to_regret(playbooks, held):
    """Whatever a fresh chaos draws against it."""
    search = Search(rounds=2, hosts=8)
    report = against_fresh_chaos(playbooks, held, {"oracle": Oracle}, Costs(), search, hosts=12, seed=0)
    assert report["oracle"]["regret_s"] == {"value": 0.0, "low": 0.0, "high": 0.0, "hosts": 12}
    assert report["oracle"]["unsettled"]["value"] == 0.0
    assert len(report["oracle"]["rounds_s"]) == 2


def test_intervals_hold_the_mean(generator):
    """Of many hosts narrower than of few; of none there is none."""
    values = torch.rand(400, generator=generator(0))
    many, few = interval(values), interval(values[:40])
    assert many["low"] < many["value"] < many["high"]
    assert few["high"] - few["low"] > 2.0 * (many["high"] - many["low"])
    assert interval(values[:0])["value"] is None
