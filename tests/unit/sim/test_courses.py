"""What hosts in order measure: recorded and wide ways, and how values run through time."""

import math
from dataclasses import replace

import msgspec
import pytest
import torch

from orderd.domain.faults import KINDS, EntityKind
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX
from ordertrainer.sim import Shares, Simulator, Uniform, begin, load_compiled, observe
from ordertrainer.sim.baseline import ways
from ordertrainer.sim.fitted import KNOTS, Course, Fitted, Onset, Provenance, Strength, read
from ordertrainer.sim.levels import afflict

QUIET = Shares(quiet=1.0, decoy=0.0, single=0.0, pair=0.0, buried=0.0)
READS, LOAD = HOST_INDEX["disk_read_bytes_per_s"], HOST_INDEX["load_per_core"]
PROVENANCE = Provenance(data="0" * 64, command="c", commit="d", seed=0, runs=1, hosts=1)


def rising(low, high):
    """Return knots from one value to another."""
    return tuple(low + (high - low) * knot / (KNOTS - 1) for knot in range(KNOTS))


@pytest.fixture(scope="module")
def taught():
    """Return a maker of catalogues that learnt one thing."""
    return lambda **told: load_compiled(fitted=Fitted(provenance=PROVENANCE, **told))


@pytest.fixture(scope="module")
def reads(breaking):
    """Return a maker of [seconds, hosts] of one signal of quiet hosts, with the way of each."""

    def make(world, seconds, hosts=400, column=READS):
        drawn = Uniform(world, shares=QUIET).draw(hosts, torch.Generator().manual_seed(3))
        lives, seen = breaking(world, replace(drawn, noise=torch.ones(hosts), seen_from_s=torch.full((hosts,), -1e9))), []
        for _ in range(seconds):
            seen.append(observe(world, lives.state, (0.0,)).host[:, 0, column])
            lives.do()
        return torch.stack(seen), ways(world, drawn.seed)

    return make


def test_half_of_all_hosts_measure_what_was_recorded_and_half_are_drawn_widely(taught, reads):
    """So recorded hosts are enclosed and none is learnt by heart; without fitted values all are drawn widely."""
    course = Course(values=rising(5e7, 6e7), between=0.2, slow=0.3, slow_s=8.0)
    seen, way = reads(taught(healthy={"host_signals": {"disk_read_bytes_per_s": course}}), seconds=1)
    assert way.float().mean() == pytest.approx(0.5, abs=0.1)
    assert ((seen[0] >= 5e7) == (way == 1)).all()
    assert int(ways(load_compiled(fitted=None), torch.arange(100, dtype=torch.int32)).sum()) == 0


@pytest.mark.parametrize(("between", "slow"), [(0.9, 0.05), (0.1, 0.8), (0.1, 0.05)])
def test_variance_is_divided_as_the_course_says(taught, reads, between, slow):
    """What is a host's own, what wanders in 16 s, and what is new each second."""
    course = Course(values=rising(10.0, 16.0), between=between, slow=slow, slow_s=16.0)
    seen, way = reads(taught(healthy={"host_signals": {"disk_read_bytes_per_s": course}}), seconds=96, hosts=1600)
    z = seen[:, way == 1] - 13.0  # six units between the ends of six deviations
    assert z.var() == pytest.approx(1.0, abs=0.15)
    own = z.mean(0).var() - (1.0 - between) / 96  # what is new averages out, what wanders mostly
    assert own == pytest.approx(between + slow * 0.2, abs=0.15)
    new = (z[1:] - z[:-1]).var() / 2
    assert new == pytest.approx(1.0 - between - slow, abs=0.1)


def test_the_load_average_is_reckoned_every_five_seconds(world, reads):
    """It stays what it is in between, on hosts of both ways."""
    seen, _ = reads(world, seconds=20, column=LOAD)
    blocks = seen.view(4, 5, -1)
    assert (blocks == blocks[:, :1]).all()
    assert (blocks[0, 0] != blocks[1, 0]).float().mean() > 0.8


def test_missing_is_missing_as_often_as_it_was(taught):
    """On recorded hosts each entity lacks a signal for itself."""
    course = Course(values=rising(0.1, 0.2), between=0.5, slow=0.0, slow_s=8.0, missing=0.4)
    world = replace(taught(healthy={"mount": {"mount_used_ratio": course}}), recorded_share=1.0)
    rows = Simulator(world, hosts=500, seed=1).state.scene.base[:, world.layout.span("mount"), :]
    lacks = rows[..., ENTITY_INDEX["mount_used_ratio"]].isnan().float()
    assert lacks.mean() == pytest.approx(0.4, abs=0.05)
    assert (lacks[:, 0] != lacks[:, 1]).any()


def test_an_onset_delays_what_is_seen(taught, world):
    """A service that is down is seen so after the delay, for each host its own between the two ends; the rest at once."""
    late = taught(onsets={"service_down": {"probe_ok_ratio": Onset(earliest_s=2.0, latest_s=6.0)}})
    levels = Uniform(late, shares=QUIET).draw(200, torch.Generator().manual_seed(0))
    levels = afflict(late, replace(levels, flaky=torch.zeros(200)), "service_kill")
    shown = {}
    for second in (0, 1, 3, 4, 7):
        row = observe(late, replace(begin(late, levels), at_s=torch.full((200,), float(second)))).rows[:, 0, 0]
        probed = ~row[:, ENTITY_INDEX["probe_ok_ratio"]].isnan()
        assert (row[:, ENTITY_INDEX["unit_active_ratio"]] == 0.0).all()
        shown[second] = float((row[probed, ENTITY_INDEX["probe_ok_ratio"]] == 0.0).float().mean())
    assert (shown[0], shown[1], shown[7]) == (0.0, 0.0, 1.0)
    assert 0.1 < shown[3] < shown[4] < 0.9


@pytest.mark.parametrize(
    ("fault", "signal", "rows", "factors"),
    [
        ("cpu_runaway", "process_cpu_user_cores", (0, 1), {"level": 0.5}),
        ("disk_forgotten_scratch", "mount_used_ratio", (2, 3), {"rate": 0.5}),
    ],
)
def test_a_strength_scales_what_the_contract_says(taught, fault, signal, rows, factors):
    """Levels and rates times their factors."""
    column, strong = ENTITY_INDEX[signal], taught(strengths={fault: {signal: Strength(**factors)}})
    row = strong.fault_names.index(fault)
    plain = load_compiled(fitted=None).own.numbers[row, rows, column]
    scaled = strong.own.numbers[row, rows, column]
    assert plain.abs().sum() > 0
    assert torch.allclose(scaled, plain * 0.5)


def test_the_fitted_values_of_this_tree_say_where_they_are_from(world):
    """Data, command, commit, seed and counts; and they are what the simulator reads by default."""
    told = read()
    assert len(told.provenance.data) == 64
    assert told.provenance.command.startswith("ordertrainer calibrate")
    assert min(told.provenance.runs, told.provenance.hosts) > 0
    assert world.recorded_share == 0.5
    latency = world.entities.width + KINDS.index(EntityKind.UNIT) * len(ENTITY_SIGNALS) + ENTITY_INDEX["probe_latency_s"]
    assert world.entities.values[latency].tolist() == pytest.approx(told.healthy["unit"]["probe_latency_s"].values)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"values": rising(2.0, 1.0)}, "must never fall"),
        ({"between": 0.7, "slow": 0.7}, "add up to more than 1"),
        ({"values": (1.0, 2.0)}, "length"),
        ({"slow_s": math.inf}, "slow_s"),
    ],
)
def test_a_course_that_makes_no_sense_is_refused(wrong, said):
    """By the type that is read, so that no file of it can be used."""
    right = {"values": rising(1.0, 2.0), "between": 0.2, "slow": 0.2, "slow_s": 4.0}
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(right | wrong, Course)
