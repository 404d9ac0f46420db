"""Levels that are worth playing again, and their mutants."""

from dataclasses import fields

import pytest
import torch

from ordertrainer.evolve.archive import GROUPS, LEAST, Archive, mutated
from ordertrainer.evolve.population import Population
from ordertrainer.sim import Levels


@pytest.fixture
def flat(world, held):
    """Return flat chaos of faults."""
    return Population(world, held).flat


def new(count):
    """Return places of levels that are in no archive."""
    return torch.full((count,), -1)


def test_what_is_sometimes_settled_is_worth_most(world, flat, generator):
    """Of one level always settled, one never, and one half of the time, the last one."""
    archive, levels = Archive(world), flat.draw(1, generator(0)).take(torch.zeros(3, dtype=torch.int64))
    archive.learn(levels, torch.tensor([True, False, True]), new(3))
    for play in range(9):
        archive.learn(levels, torch.tensor([True, False, bool(play % 2)]), torch.arange(3))
    always, never, half = archive.learnability().tolist()
    assert half > 0.2 > max(always, never) >= LEAST
    assert archive.plays.tolist() == [10.0] * 3
    assert archive.settled.tolist() == [10.0, 0.0, 5.0]


def test_a_level_that_failed_is_worth_more_where_its_family_is_mostly_settled(world, flat, generator):
    """One play says little: what is known of its families is the first guess."""
    archive, drawn = Archive(world), flat.draw(400, generator(1))
    sick = world.faults.sick[drawn.fault]
    easy, hard = (((drawn.fault % 2 == parity) | ~sick).all(-1) for parity in (0, 1))
    levels, settled = drawn.take((easy | hard).nonzero()[:, 0]), easy[easy | hard]
    for _ in range(4):
        archive.learn(levels, settled, new(len(levels)))
    probe = drawn.take(torch.cat([each.nonzero()[:1, 0] for each in (easy, easy, hard)]))
    archive.learn(probe, torch.tensor([True, False, False]), new(3))
    as_ever, surprise, hopeless = archive.learnability()[-3:].tolist()
    assert surprise > 1.5 * as_ever
    assert surprise > 1.5 * hopeless


def test_the_archive_is_bounded_and_keeps_what_can_be_learned(world, flat, generator):
    """Of more levels than it holds the most learnable stay, with their counts."""
    archive, levels = Archive(world, size=30), flat.draw(20, generator(2))
    archive.learn(levels, torch.arange(20) % 2 == 0, new(20))
    for _ in range(6):
        archive.learn(levels, torch.arange(20) % 2 == 0, torch.arange(20))
    before = archive.learnability()
    archive.learn(flat.draw(20, generator(3)), torch.arange(20) % 2 == 0, new(20))
    assert len(archive) == 30 == len(archive.levels)
    assert float(archive.learnability().mean()) > float(before.mean())
    assert (archive.plays[-20:] == 1.0).all()


def test_an_archive_goes_on_from_its_state(world, flat, generator):
    """Levels, counts and families are all there is."""
    one, other = Archive(world), Archive(world)
    other.load(one.state())
    assert len(other) == 0
    one.learn(flat.draw(9, generator(4)), torch.arange(9) < 5, new(9))
    other.load(one.state())
    assert torch.equal(one.learnability(), other.learnability())
    assert torch.equal(one.levels.onset_s, other.levels.onset_s)


def test_mutants_keep_what_happens_and_change_groups_as_one(world, flat, generator):
    """Faults and what is hidden stay; places, courses and traits come from one of the two, whole; nothing else changes."""
    levels = flat.draw(300, generator(5))
    others = flat.dress(levels.fault, levels.behind, generator(6))
    found = mutated(levels, others, generator(7))
    assert {name for names in GROUPS for name in names} | {"fault", "behind", "horizon_s"} == {f.name for f in fields(Levels)}
    assert torch.equal(found.fault, levels.fault)
    assert torch.equal(found.behind, levels.behind)
    for names in GROUPS:
        ours, theirs = (
            torch.stack([(getattr(found, n) == getattr(each, n)).reshape(300, -1).all(-1) for n in names]).all(0)
            for each in (levels, others)
        )
        assert (ours | theirs).all(), names
        assert 0.2 < float((~ours).to(torch.float32).mean()) < 0.5, names
