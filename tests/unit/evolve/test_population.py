"""The population: shares, strata that never drift, and the locked split."""

from dataclasses import replace

import pytest
import torch

from ordertrainer.evolve import population as module
from ordertrainer.evolve.population import SHARES, Even, Population, Source, portions
from ordertrainer.evolve.strata import DECOY, QUIET, kinds_of, strata
from ordertrainer.heldout import HeldOutError
from ordertrainer.sim.chaos import KIND_NAMES

SLOW_FROM = 2.3


def lived(world, chaos, generator, rounds, count=192):
    """Return what is drawn while one family always fails, others on slow hosts, and the learned chaos is told so."""
    worst, found = int(chaos.flat.first[2].nonzero()[3]), []
    for number in range(rounds):
        drills = chaos.draw(count, generator(number))
        fails = (drills.levels.fault == worst).any(-1) | (drills.levels.slow > SLOW_FROM)
        regret_s = 60.0 * fails[drills.source == Source.LEARNED]
        chaos.learn(drills, ~fails, regret_s)
        found.append(drills)
    return worst, found


@pytest.fixture(scope="module")
def history(world, held, generator):
    """Return a population that has lived for a while, its worst family, and all that it drew."""
    chaos = Population(world, held)
    worst, found = lived(world, chaos, generator, 30)
    return chaos, worst, found


@pytest.mark.parametrize("count", [2, 20, 100, 192, 4096])
def test_portions_are_exact(count):
    """Every iteration draws what the shares say, to one drill, and all of it."""
    found = portions(count)
    assert sum(found.values()) == count
    assert all(abs(found[source] - share * count) < 1.0 for source, share in SHARES.items())


def test_calm_hosts_are_pinned(world, history):
    """Fifteen in a hundred, quiet hosts and decoys as in flat chaos, whatever is hard; nobody else draws any."""
    _, _, found = history
    for drills in found:
        kinds = kinds_of(world, drills.levels)
        assert torch.equal(kinds <= DECOY, drills.source == Source.CALM)
        assert int((drills.source == Source.CALM).sum()) == portions(len(kinds))[Source.CALM]
    calm = torch.cat([kinds_of(world, drills.levels)[drills.source == Source.CALM] for drills in found])
    assert abs(float((calm == QUIET).to(torch.float32).mean()) - 8 / 15) < 0.06


def test_base_rates_of_replay_never_drift(world, history):
    """After thirty iterations in which one family always failed, replay draws it, and every kind, as often as flat chaos."""
    chaos, worst, found = history
    late = [drills.levels.take((drills.source == Source.REPLAY).nonzero()[:, 0]) for drills in found[10:]]
    for levels in late:
        kinds = torch.bincount(kinds_of(world, levels), minlength=len(KIND_NAMES)) / len(levels)
        wanted = torch.tensor(chaos.flat.shares.kinds)
        assert (kinds - wanted).abs().max() <= 1.5 / len(levels)
    places = torch.cat([strata(world, levels) for levels in late], dim=1)
    drawn = torch.zeros_like(chaos._rates).scatter_add_(0, places.flatten(), torch.ones(places.numel())) / places.shape[1]
    deviation = (chaos._rates / places.shape[1]).sqrt()
    assert ((drawn - chaos._rates).abs() < 5.0 * deviation + 2e-3).all()
    rate = sum(int((levels.fault == worst).any(-1).sum()) for levels in late) / places.shape[1]
    flat = chaos.flat.draw(20_000, torch.Generator().manual_seed(0))
    assert abs(rate - float((flat.fault == worst).any(-1).to(torch.float32).mean())) < 0.02


def test_replay_prefers_what_can_be_learned(world, history):
    """Levels of families that are mostly settled, and were not here: slow hosts, though every family comes as often as ever."""
    chaos, _, _ = history
    drills = chaos.draw(4000, torch.Generator().manual_seed(1))
    again = (drills.source == Source.REPLAY) & (drills.place >= 0)
    assert int(again.sum()) > 100
    slow, flat = (drills.levels.slow[where] > SLOW_FROM for where in (again, drills.source == Source.FLAT))
    assert float(slow.to(torch.float32).mean()) > 1.4 * float(flat.to(torch.float32).mean())
    mutants = (drills.source == Source.REPLAY) & (drills.place < 0)
    assert 0.4 < float(mutants.sum() / (drills.source == Source.REPLAY).sum()) < 0.9


def test_the_learned_chaos_draws_what_failed(history, world):
    """More often than flat chaos draws it, and a quarter of its drills by what it was generations ago."""
    _, worst, found = history
    late = [drills.levels.fault[drills.source == Source.LEARNED] for drills in found[15:]]
    rate = float((torch.cat(late) == worst).any(-1).to(torch.float32).mean())
    flat = [drills.levels.fault[drills.source == Source.FLAT] for drills in found]
    assert rate > 1.5 * float((torch.cat(flat) == worst).any(-1).to(torch.float32).mean())


@pytest.mark.parametrize("name", ["flat", "archive", "learned"])
def test_nothing_is_drawn_that_no_training_may_see(world, held, generator, monkeypatch, name):
    """Whoever of the population draws a held-out family or intensity, the draw is refused."""
    chaos = Population(world, held)
    lived(world, chaos, generator, 1)
    if name == "archive":
        fault = world.fault_names.index("disk_fill")
        chaos.archive.levels = replace(chaos.archive.levels, fault=torch.full_like(chaos.archive.levels.fault, fault))
        monkeypatch.setattr(module, "raked", lambda weight, *_: torch.ones_like(weight) / len(weight))
    else:
        outside = torch.tensor(0.95)
        former = chaos.flat.dress
        monkeypatch.setattr(chaos.flat, "dress", lambda *a: replace(former(*a), intensity=outside.expand(len(a[0]), 3)))
        draw = chaos.flat.draw
        monkeypatch.setattr(chaos.flat, "draw", lambda *a: replace(draw(*a), intensity=outside.expand(a[0], 3)))
    if name == "learned":
        monkeypatch.setattr(chaos.learned, "_shaped", lambda levels, *_: levels)
    with pytest.raises(HeldOutError):
        chaos.draw(192, generator(9))


def test_generations_are_kept_and_thinned(world, held, generator):
    """At most eight, the first and the last ones among them."""
    chaos = Population(world, held)
    for number in range(20):
        chaos.learned.learn(torch.full((1, 9), 0), torch.tensor([float(number)]))
        chaos.remember()
    assert 2 <= len(chaos.generations) <= module.GENERATIONS_MAX
    assert float(chaos.generations[0]["square"][-1, -1]) == 1.0
    drills = chaos.draw(200, generator(1))
    assert int((drills.source == Source.LEARNED).sum()) == 30


def test_a_population_goes_on_from_its_state(world, held, generator, history):
    """Equal states and seeds draw equal drills."""
    chaos, _, _ = history
    other = Population(world, held)
    other.load(chaos.state())
    one, same = (each.draw(100, generator(5)) for each in (chaos, other))
    assert torch.equal(one.levels.fault, same.levels.fault)
    assert torch.equal(one.levels.seed, same.levels.seed)
    assert torch.equal(one.place, same.place)


def test_even_chaos_has_as_many_calm_hosts(world, held, generator):
    """The arms differ in what is hard, not in how often anything is."""
    drills = Even(world, held).draw(20_000, generator(1))
    calm = (kinds_of(world, drills.levels) <= DECOY).to(torch.float32).mean()
    assert abs(float(calm) - SHARES[Source.CALM]) < 0.01
