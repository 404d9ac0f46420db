"""Moments: consecutive seconds, of hosts that may be trained on, and of nothing else."""

import pytest
import torch

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import EntityRow, Sample
from ordertrainer.dataset import Label, append_label
from ordertrainer.dataset.samples import Taken
from ordertrainer.policy.levels import Trained
from ordertrainer.pretrain import recorded as module
from ordertrainer.pretrain.hiding import Hiding, hide
from ordertrainer.pretrain.recorded import courses, recorded
from ordertrainer.pretrain.simulated import Watch, simulated
from ordertrainer.pretrain.simulated import courses as simulated_courses

NS = 1_000_000_000
LATENCY = ENTITY_INDEX["probe_latency_s"]


def _label(run_id, began_s, ended_s, **fields):
    label = Label(
        run_id=run_id, host_id="one", fault="", failure=Failure.OK, entity="", target="", intensity=None, decoy=False,
        began_mono_ns=began_s * NS, armed_mono_ns=began_s * NS, landed_mono_ns=began_s * NS, ended_mono_ns=ended_s * NS,
        clean_mono_ns=ended_s * NS, seed=0, split="train",
    )  # fmt: skip
    return Label(**{name: getattr(label, name) for name in label.__struct_fields__} | fields)


def _sample(at_s, units="a"):
    rows = tuple(
        EntityRow(
            entity=Entity(kind=EntityKind.UNIT, key=f"{key}.service"),
            values=tuple(at_s if i == LATENCY else float("nan") for i in range(len(ENTITY_SIGNALS))),
        )
        for key in units
    )
    at = Instant(mono_ns=int(at_s * NS), utc_ns=0)
    return Taken(boot_id="b", sample=Sample(at=at, cause="timer", host=(at_s,) * len(HOST_SIGNALS), entities=rows))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a data directory of one host, and a function that says what it sampled."""
    told = []
    monkeypatch.setattr(module, "iter_samples", lambda _layout, _host: iter(told))
    return tmp_path, told


def test_simulated_moments_are_a_second_apart(world, held):
    """The newest slot of a window, a second later, is the next sample: as the slot that is one second old, then."""
    (course,) = simulated_courses(world, Trained(world, held), hosts=1, seconds=20, seed=3)
    moments = course.moments
    torch.testing.assert_close(moments.host[1:, 0], moments.next_host[:-1], equal_nan=True)
    torch.testing.assert_close(moments.host[1:, 1], moments.host[:-1, 0], equal_nan=True)
    torch.testing.assert_close(moments.rows[1:, :, 0], moments.next_rows[:-1], equal_nan=True)


def test_equal_seeds_give_equal_moments(world, held):
    """And other seeds others."""
    watch = Watch(hosts=8, seconds=10, share=0.3)
    one, same, other = (simulated(world, Trained(world, held), watch, seed) for seed in (1, 1, 2))
    assert len(one) == len(same)
    torch.testing.assert_close(one.rows, same.rows, equal_nan=True)
    assert len(other) != len(one) or not torch.equal(torch.nan_to_num(other.host), torch.nan_to_num(one.host))


def test_a_course_knows_when_its_fault_landed(world, held):
    """Seconds since then are counted to the next sample, and something moves at 0."""
    for course in simulated_courses(world, Trained(world, held), hosts=12, seconds=40, seed=1):
        if course.fault:
            assert float(course.landed.max()) > 0
            assert bool(((course.landed[1:] - course.landed[:-1]) == 1.0).all())
        else:
            assert bool(torch.isnan(course.landed).all())


def test_recorded_seconds_follow_each_other(data):
    """What an event adds between two seconds is no next sample, and after a gap another stretch begins."""
    root, told = data
    append_label(root, _label("r", 0, 100))
    told += [_sample(at) for at in (1.0, 2.0, 2.3, 3.0, 4.0, 9.0, 10.0, 11.0)]
    first, second = courses(root, module.read_labels(root))
    assert first.moments.next_host[:, 0].tolist() == [2.0, 3.0, 4.0]
    assert second.moments.next_host[:, 0].tolist() == [10.0, 11.0]
    assert second.moments.host[:, 0, 0].tolist() == [9.0, 10.0]


def test_an_entity_keeps_its_place(data):
    """Whatever order and company a sample names it in, its rows stay its own; without a row there is nothing to tell."""
    root, told = data
    append_label(root, _label("r", 0, 100))
    told += [_sample(1.0, "ab"), _sample(2.0, "bc"), _sample(3.0, "cba")]
    (course,) = courses(root, module.read_labels(root))
    assert course.moments.present.tolist() == [[True, True, False], [False, True, True]]
    nexts = course.moments.next_rows[:, :, LATENCY]
    assert torch.isnan(nexts[0, 0])
    assert nexts[:, 1].tolist() == [2.0, 3.0]


def test_nothing_outside_a_run_of_the_split_is_learned_from(data, held):
    """Neither time between runs, nor runs of another split, nor of a family that is not for training."""
    root, told = data
    fault = {"failure": Failure.DISK_FULL, "entity": "mount:/data", "intensity": 0.5}
    append_label(root, _label("quiet", 0, 10))
    append_label(root, _label("tune", 20, 30, split="tune"))
    append_label(root, _label("held", 40, 50, fault="disk_fill", **fault))
    told += [_sample(float(at)) for at in range(60)]
    moments = recorded(root, "train", held, most=1000, seed=0)
    assert sorted(moments.next_host[:, 0].tolist()) == [float(at) for at in range(1, 10)]


def test_hiding_leaves_what_it_is_not_asked_to_hide(world, held):
    """Slots go missing from one end at a time, never all of them, and the next sample stays."""
    moments = simulated(world, Trained(world, held), Watch(hosts=40, seconds=5, share=1.0), 0)
    hidden = hide(moments, Hiding(newest=0.5, oldest=0.5), torch.Generator().manual_seed(0))
    gone = torch.isnan(hidden.host[..., 0])
    assert torch.equal(torch.nan_to_num(hidden.next_host), torch.nan_to_num(moments.next_host))
    young = torch.isnan(moments.host[..., 0]).any(1)
    count = gone[~young].sum(1)
    assert 0 < int((count == 0).sum()) < len(count)
    assert int(count.max()) < len(SLOT_AGES_S)
    assert bool(((gone[~young][:, 1:] != gone[~young][:, :-1]).sum(1) <= 1).all())
    assert torch.equal(torch.isnan(hide(moments, Hiding(newest=0, oldest=0), torch.Generator()).rows), torch.isnan(moments.rows))
