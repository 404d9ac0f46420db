"""Training never sees what is held out: it is not drawn, and would be refused."""

from dataclasses import replace

import pytest
import torch

from ordertrainer.heldout import HeldOutError, Part
from ordertrainer.policy.levels import Locked, Trained
from ordertrainer.policy.suites import suites
from ordertrainer.sim import Shares, Uniform
from ordertrainer.sim.levels import afflict

MANY = 20_000


@pytest.fixture(scope="module")
def trained(world, held):
    """Return what training draws from."""
    return Trained(world, held)


@pytest.fixture(scope="module")
def quiet(world):
    """Return one host with nothing to come."""
    return Uniform(world, shares=Shares(quiet=1.0, decoy=0, single=0, pair=0, buried=0)).draw(1, torch.Generator().manual_seed(0))


def names(world, levels):
    """Return the names of what happens on each host, without nothing."""
    return [{world.fault_names[fault] for fault in row if fault != world.no_fault} for row in levels.fault.tolist()]


def assert_trained_only(world, held, levels):
    """Check levels against the file itself, host by host."""
    for row, faults in enumerate(names(world, levels)):
        assert all(held.part(name) is Part.TRAIN for name in faults)
        sick = [name for name in faults if world.faults.sick[world.fault_names.index(name)]]
        assert len(sick) <= 2
        assert len(sick) < 2 or not held.pair_is_held(*sick)
        drawn = levels.intensity[row][levels.fault[row] != world.no_fault]
        assert ((drawn >= held.intensity[0]) & (drawn <= held.intensity[1])).all()


def test_what_training_draws_is_never_held_out(world, held, trained):
    """In twenty thousand hosts, and every trained family is among them."""
    levels = trained.draw(MANY, torch.Generator().manual_seed(1))
    assert_trained_only(world, held, levels)
    visible = trained.locked.families(Part.TRAIN).nonzero()[:, 0].tolist()
    assert set.union(*names(world, levels)) == {world.fault_names[fault] for fault in visible}


def test_a_whole_training_never_sees_one(world, held, train, tmp_path, monkeypatch):
    """Every level of every roll-out of a training, resets included."""
    seen = []
    whole = Trained.draw

    def spied(self, count, generator):
        levels = whole(self, count, generator)
        seen.append(levels)
        return levels

    monkeypatch.setattr(Trained, "draw", spied)
    train(tmp_path, iterations=2)
    assert len(seen) > 4
    for levels in seen:
        assert_trained_only(world, held, levels)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([("disk_fill", 0.5)], "disk_fill is for the part 'held'"),
        ([("clock_step", 0.5)], "clock_step is for the part 'tune'"),
        ([("batch_job", 0.5)], "batch_job is for the part 'held'"),
        ([("nic_down", 0.9)], "nic_down at intensity 0.9"),
        ([("nic_down", 0.5), ("mount_gone", 0.5), ("service_kill", 0.5)], "more than 2 faults"),
    ],
)
def test_levels_that_are_held_out_are_refused(world, trained, quiet, faults, said):
    """Whoever replays or mutates levels asks before training on them."""
    levels = quiet
    for lane, (name, intensity) in enumerate(faults):
        levels = afflict(world, levels, name, lane=lane, intensity=intensity)
    with pytest.raises(HeldOutError, match=said):
        trained.locked.refuse(levels)


def test_a_pair_that_is_held_out_is_refused(world, held, trained, quiet):
    """In whatever order; each of the two alone is trained on."""
    families = [world.fault_names[fault] for fault in trained.locked.families(Part.TRAIN).nonzero()[:, 0].tolist()]
    sick = [name for name in families if world.faults.sick[world.fault_names.index(name)]]
    one, other = next((a, b) for a in sick for b in sick if a < b and held.pair_is_held(a, b))
    for pair in ((one, other), (other, one)):
        levels = afflict(world, afflict(world, quiet, pair[0], lane=0), pair[1], lane=1)
        with pytest.raises(HeldOutError, match=r"the pair .* is held out"):
            trained.locked.refuse(levels)
    trained.locked.refuse(afflict(world, quiet, one))


def test_a_draw_that_breaks_the_split_is_refused(world, trained, quiet, monkeypatch):
    """Should chaos ever draw something else, training stops."""
    monkeypatch.setattr(Uniform, "draw", lambda *_: afflict(world, quiet, "disk_fill"))
    with pytest.raises(HeldOutError, match="disk_fill"):
        trained.draw(1, torch.Generator())


def test_exams_ask_what_training_does_not(world, held):
    """Held-out suites hold what is held out, and no other suite does."""
    locked, generator = Locked(world, held), torch.Generator().manual_seed(2)
    found = {suite.name: (suite, suite.chaos.draw(500, generator)) for suite in suites(world, held)}
    assert set(found) >= {
        "quiet",
        "decoys",
        "singles",
        "pairs",
        "buried",
        "tuning families",
        "held families",
        "held pairs",
        "triples",
    }
    for name, (suite, levels) in found.items():
        if not suite.held and name != "tuning families":
            locked.refuse(levels)
    for name in ("tuning families", "weak", "strong", "held pairs", "held families", "held decoys", "triples"):
        for row in range(50):
            with pytest.raises(HeldOutError):
                locked.refuse(found[name][1].take(torch.tensor([row])))
    assert all(held.part(fault) is Part.HELD for row in names(world, found["held families"][1]) for fault in row)


def test_moved_to_a_quiet_host_nothing_is_refused(trained, quiet):
    """A host on which nothing happens is always fit for training."""
    trained.locked.refuse(replace(quiet, intensity=torch.zeros_like(quiet.intensity)))
