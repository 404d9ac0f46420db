"""Levels that are drawn evenly: shares, places, combinations."""

import pytest
import torch

from ordertrainer.sim import Shares, Uniform
from ordertrainer.sim.chaos import TRAINED_X
from ordertrainer.sim.levels import NEVER_S, concatenate

COUNT = 20_000


@pytest.fixture(scope="module")
def levels(world):
    """Return many levels, drawn as for training."""
    return Uniform(world).draw(COUNT, torch.Generator().manual_seed(1))


def kinds_of(world, levels):
    """Return [N] counts of what is there: faults apart, faults behind, decoys."""
    sick, decoy = world.faults.sick[levels.fault], world.faults.decoy[levels.fault]
    return (sick & ~levels.behind).sum(-1), (sick & levels.behind).sum(-1), decoy.sum(-1)


def test_shares_are_as_stated(world, levels):
    """Quiet hosts and decoys keep their share, within four standard errors."""
    apart, behind, decoys = kinds_of(world, levels)
    shares = Shares()
    found = {
        "quiet": (apart == 0) & (decoys == 0),
        "decoy": (apart == 0) & (decoys == 1),
        "single": (apart == 1) & (behind == 0),
        "pair": (apart == 2) & (behind == 0),
        "buried": (apart == 1) & (behind == 1),
        "triple": (apart == 2) & (behind == 1),
    }
    assert sum(where.sum() for where in found.values()) == COUNT
    for name, where in found.items():
        share = getattr(shares, name)
        assert abs(float(where.float().mean()) - share) <= 4 * (share * (1 - share) / COUNT) ** 0.5, name


def test_shares_that_do_not_add_up_are_refused():
    """A share more is a share less of something else."""
    with pytest.raises(ValueError, match="add up to"):
        Shares(quiet=0.5)


def test_every_visible_fault_is_drawn_about_equally_often(world, levels):
    """Flat over the catalogue: nothing is rare because it is dull."""
    single = levels.fault[(kinds_of(world, levels)[0] == 1) & (kinds_of(world, levels)[1] == 0), 0]
    counts = torch.bincount(single, minlength=world.no_fault)[: world.no_fault]
    drawn = counts[world.faults.visible[:-1] & world.faults.sick[:-1]]
    assert (counts[~world.faults.visible[:-1]] == 0).all()
    assert drawn.min() > 0.6 * drawn.float().mean()
    assert drawn.max() < 1.5 * drawn.float().mean()


def test_faults_happen_to_entities_of_their_kind(world, levels):
    """A mount's fault lands on a mount that is there; a fault of its own process on a slot that is free."""
    some = levels.fault != world.no_fault
    kinds = world.slot_kind[levels.slot]
    assert (kinds == world.faults.kind[levels.fault])[some].all()
    there, starts = levels.there.gather(1, levels.slot), world.faults.starts[levels.fault]
    assert (there ^ starts)[some].all()


def test_two_faults_have_two_entities_unless_one_lies_behind(world, levels):
    """Overlaps are of different slots; what is behind is of the same."""
    some = levels.fault != world.no_fault
    for one in range(levels.fault.shape[1]):
        for other in range(one):
            both = some[:, one] & some[:, other]
            same = levels.slot[:, one] == levels.slot[:, other]
            behind = levels.behind[:, one] & (other == 0)
            assert (same == behind)[both].all()


def test_what_lies_behind_needs_a_cure_of_its_own(world, levels):
    """One repair never ends both."""
    buried = levels.behind.any(-1)
    first, second = levels.fault[buried, 0], levels.fault[buried, 2]
    assert not (world.faults.cures[first] & world.faults.cures[second]).any()


def test_onsets_and_intensities_keep_their_bounds(world, levels):
    """Training sees the middle of each range, and everything lands within the episode."""
    some = levels.fault != world.no_fault
    assert ((levels.intensity >= TRAINED_X[0]) & (levels.intensity <= TRAINED_X[1])).all()
    assert (levels.onset_s[some] < 60).all()
    assert (levels.onset_s[~some] == NEVER_S).all()
    decoy = world.faults.decoy[levels.fault]
    assert (levels.ends_s[decoy] < 120).all()
    assert (levels.ends_s[~decoy] == NEVER_S).all()


def test_name_server_faults_happen_to_the_name_server(world, levels):
    """And then names are asked of it."""
    serves = world.faults.serves_names[levels.fault]
    assert serves.any()
    assert (levels.slot[serves] == world.layout.resolver_unit).all()
    resolver = world.layout.first("resolver")
    assert (levels.rests_on[serves.any(-1), resolver] == world.layout.resolver_unit).all()


def test_only_what_is_allowed_is_drawn(world):
    """Families that are held out for good, and pairs that are, never appear."""
    allowed = torch.zeros(world.no_fault, dtype=torch.bool)
    names = ["service_stop", "disk_fill", "service_mask", "batch_job"]
    allowed[[world.fault_names.index(name) for name in names]] = True
    pairs = torch.zeros(world.no_fault, world.no_fault, dtype=torch.bool)
    pairs[world.fault_names.index("service_stop"), world.fault_names.index("disk_fill")] = True
    shares = Shares(quiet=0.1, decoy=0.1, single=0.4, pair=0.4, buried=0.0)
    drawn = Uniform(world, shares=shares, faults=allowed, pairs=pairs).draw(2000, torch.Generator().manual_seed(0))
    found = {world.fault_names[row] for row in drawn.fault.unique().tolist() if row != world.no_fault}
    assert found == set(names)
    both = (drawn.fault[:, :2] != world.no_fault).all(-1)
    assert {tuple(row) for row in drawn.fault[both, :2].tolist()} == {tuple(map(world.fault_names.index, names[:2]))}


def test_a_share_of_what_cannot_be_drawn_is_refused(world):
    """Base rates never drift because something is missing."""
    only = torch.zeros(world.no_fault, dtype=torch.bool)
    only[world.fault_names.index("service_stop")] = True
    with pytest.raises(ValueError, match="'decoy' is not 0"):
        Uniform(world, faults=only)


def test_triples_are_drawn_for_exams_only(world, levels):
    """Training never sees three faults; an exam can."""
    apart, behind, _ = kinds_of(world, levels)
    assert (apart + behind).max() == 2
    exam = Uniform(world, shares=Shares(quiet=0, decoy=0, single=0, pair=0, buried=0, triple=1), intensity=(0.9, 1.0))
    drawn = exam.draw(500, torch.Generator().manual_seed(0))
    apart, behind, _ = kinds_of(world, drawn)
    assert ((apart + behind) == 3).all()
    assert (drawn.intensity >= 0.9).all()


def test_levels_can_be_kept_and_mixed(world, levels):
    """Some of these and some of those make a batch again."""
    some = concatenate([levels.take(torch.arange(5)), levels.take(torch.arange(10, 12))])
    assert len(some) == 7
    assert torch.equal(some.seed, torch.cat((levels.seed[:5], levels.seed[10:12])))
