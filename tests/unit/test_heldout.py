"""Stage 0: what is held out is locked, is there, and is refused."""

from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from ordertrainer import heldout
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.heldout import HeldOutError, Part

FAULTS = Path(__file__).parents[2] / "playbooks" / "faults"
LOCKED = "9d2d9271c6071de205d182a715d7db07fd62cb2fa40807e01cb34bba42f363e4"


@pytest.fixture(scope="module")
def held():
    """Return the locked split."""
    return heldout.load()


def test_the_split_is_locked(held):
    """Whoever changes the file gives up every figure measured before, and has to say so here."""
    assert held.sha256 == LOCKED


def test_every_family_that_is_named_exists(held):
    """A family that was renamed would slip into training unseen."""
    assert held.tune | held.held <= set(load_faults(FAULTS).faults)


def test_the_parts_are_seventy_fifteen_fifteen(held):
    """Of the faults and decoys there are."""
    names = load_faults(FAULTS).faults
    shares = [sum(held.part(name) is part for name in names) / len(names) for part in Part]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.05)


def test_what_is_not_named_is_trained_on(held):
    """New faults need no new file."""
    assert held.part("fault_of_next_year") is Part.TRAIN


def test_a_deal_is_even_by_group_and_repeats():
    """Every group gives of its families in proportion; equal seeds deal alike."""
    groups = {group: [f"{group}{number}" for number in range(40)] for group in "abc"}
    dealt = heldout.draw(groups, 7)
    assert dealt == heldout.draw(groups, 7) != heldout.draw(groups, 8)
    counts = defaultdict(dict)
    for part, names in dealt.items():
        for name in names:
            counts[name[0]][part] = counts[name[0]].get(part, 0) + 1
    assert all(row == {Part.TRAIN: 28, Part.TUNE: 6, Part.HELD: 6} for row in counts.values())


def test_about_a_fifth_of_trained_pairs_is_held_out_whatever_their_order(held):
    """By the hash of both names."""
    trained = [name for name in load_faults(FAULTS).faults if held.part(name) is Part.TRAIN]
    pairs = list(combinations(trained, 2))
    kept = [pair for pair in pairs if held.pair_is_held(*pair)]
    assert 0.16 < len(kept) / len(pairs) < 0.24
    assert all(held.pair_is_held(other, one) for one, other in kept)


def test_a_pair_with_a_family_that_is_not_trained_is_held_out(held):
    """Whatever its hash."""
    trained = next(name for name in load_faults(FAULTS).faults if held.part(name) is Part.TRAIN)
    assert held.pair_is_held(trained, min(held.held))
    assert held.pair_is_held(min(held.tune), trained)


@pytest.mark.parametrize("part", [Part.TUNE, Part.HELD])
def test_a_family_that_is_not_trained_is_refused_by_name(held, part):
    """Training code cannot draw it by mistake."""
    name = min(held.tune if part is Part.TUNE else held.held)
    with pytest.raises(HeldOutError, match=f"{name} is for the part '{part}'"):
        held.check([name], [0.5])


@pytest.mark.parametrize("intensity", [0.39, 0.81])
def test_intensities_outside_are_refused(held, intensity):
    """They are for the exam."""
    with pytest.raises(HeldOutError, match=r"trained is between 0\.4 and 0\.8"):
        held.check(["service_kill"], [intensity])
    held.check(["service_kill"], [0.6])


def test_three_faults_at_once_are_refused(held):
    """Triples are never trained."""
    with pytest.raises(HeldOutError, match="more than 2 faults"):
        held.check_together(["service_kill", "mount_gone", "nic_down"])


def test_a_file_that_contradicts_itself_is_refused(tmp_path):
    """A family cannot be for tuning and held out at once."""
    file = tmp_path / "heldout.toml"
    text = heldout.FILE.read_text(encoding="utf-8")
    file.write_text(text.replace("held = [\n", 'held = [\n    "clock_step",\n'), encoding="utf-8")
    with pytest.raises(ValueError, match="clock_step: for tuning and held out at once"):
        heldout.load(file)
