from collections import Counter
from itertools import islice

import pytest

from ordertrainer import heldout
from ordertrainer.chaos import load_faults
from ordertrainer.drill.battery import ENTANGLED, FAULTS_DIR, FIRST, battery, experiments, faults_of, load, names, plan
from ordertrainer.drill.errors import DrillError


def test_seed_decides_targets_and_intensities():
    """The same seed draws the same experiments, another seed others."""
    faults = battery()
    assert experiments(7, faults) == experiments(7, faults)
    assert experiments(7, faults) != experiments(8, faults)


@pytest.mark.parametrize("seed", range(20))
def test_services_are_spread_over_the_battery(seed):
    """No service is broken more than one time oftener than another, so that no rate limit of orderd is met."""
    drawn = experiments(seed, battery())
    used = Counter(e.target for e in drawn if e.target.endswith(".service"))
    assert len(used) == 4
    assert max(used.values()) - min(used.values()) <= 1


def test_first_battery_is_complete_and_in_order():
    """Without a choice the whole first battery is drawn, each fault once."""
    assert tuple(e.fault for e in experiments(1, battery())) == FIRST


def test_chosen_faults_keep_the_order_of_the_choice():
    """FAULTS=b,a runs b first."""
    assert [e.fault for e in experiments(1, battery(["disk_fill", "service_kill"]))] == ["disk_fill", "service_kill"]


def test_unknown_fault_is_refused_by_name():
    """The refusal names the fault and what there is instead."""
    with pytest.raises(DrillError, match=r"'service_melt'.*service_kill"):
        battery(["service_melt"])


@pytest.mark.parametrize("name", names())
def test_every_shipped_battery_draws_a_plan(name):
    """Each battery file is valid, draws only what the catalogue has, numbers its items, and the same seed draws the same."""
    first, again = (list(islice(plan_of(name), 30)) for _ in range(2))
    assert first == again
    assert [item.number for item in first] == list(range(1, len(first) + 1))
    assert first


def plan_of(name, seed=5, hosts=2, minutes=3.0):
    chosen = load(name)
    return plan(chosen, faults_of(chosen), seed=seed, minutes=minutes, hosts=hosts)


def test_standard_is_the_whole_catalogue_once():
    """Nothing of the catalogue is left out, and nothing comes twice."""
    drawn = [item.experiments[0].fault for item in plan_of("standard")]
    assert sorted(drawn) == sorted(load_faults(FAULTS_DIR).faults)


@pytest.mark.parametrize("seed", range(5))
def test_the_exam_asks_what_no_training_saw(seed):
    """The whole catalogue, outside the intensities that heldout.toml gives to training, below and above."""
    faults, (low, high) = load_faults(FAULTS_DIR).faults, heldout.load().intensity
    shares = []
    for item in plan_of("exam", seed=seed):
        (drawn,) = item.experiments
        bounds = faults[drawn.fault].intensity
        if bounds.min < bounds.max and not bounds.whole:
            shares.append((drawn.intensity - bounds.min) / (bounds.max - bounds.min))
    assert not any(low + 0.02 < share < high - 0.02 for share in shares)
    assert {share < low + 0.02 for share in shares} == {True, False}
    assert len(list(plan_of("exam", seed=seed))) == len(faults)


@pytest.mark.parametrize("seed", range(10))
def test_pairs_are_of_two_things_that_can_be_told_apart(seed):
    """Two faults at once never share their target or their process's name, no decoy is among them, and each comes once."""
    faults = load_faults(FAULTS_DIR).faults
    items = list(plan_of("pairs", seed=seed))
    assert any(len(item.experiments) == 2 for item in items)
    assert Counter(e.fault for item in items for e in item.experiments) == Counter(faults_of(load("pairs")).keys())
    for item in items:
        ends = [(faults[e.fault].target, e.target, e.parameters.get("name")) for e in item.experiments]
        assert len(set(ends)) == len(ends)
        assert {f"{kind}:{key}" for kind, key, _ in ends} not in ENTANGLED
        assert not any(faults[e.fault].decoy for e in item.experiments)


def test_quiet_is_minutes_on_every_host_in_stretches():
    """Three minutes on two hosts are six stretches of a minute without any fault."""
    items = list(plan_of("quiet"))
    assert [item.quiet_s for item in items] == [60.0] * 6
    assert not any(item.experiments for item in items)


def test_a_game_day_forgets_no_fault():
    """Whatever is drawn, every fault of the catalogue comes before any comes a second time."""
    faults = load_faults(FAULTS_DIR).faults
    seen = Counter()
    for item in plan_of("game-day"):
        seen.update(e.fault for e in item.experiments)
        if len(seen) == len(faults):
            break
    assert max(seen.values()) <= 2


def test_an_unknown_battery_is_refused_by_name():
    """The refusal names the battery and what there is instead."""
    with pytest.raises(DrillError, match=r"'riot'.*quiet"):
        load("riot")


def test_a_battery_with_an_unknown_key_is_refused(tmp_path):
    """A misspelt key in a battery's file is no silent default."""
    (tmp_path / "odd.toml").write_text('summary = "x"\nfaults = "all"\nminuets = 3\n')
    with pytest.raises(DrillError, match="minuets"):
        load("odd", tmp_path)
