"""When signals show a fault, and how strongly: known delays and factors are found again."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from orderd.domain.faults import Entity, EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, HOST_INDEX
from ordertrainer.calibrate.onsets import class_strengths, onsets, strengths
from ordertrainer.calibrate.recording import read_runs
from ordertrainer.sim.symptoms import looks_of

USED, WRITES = ENTITY_INDEX["mount_used_ratio"], HOST_INDEX["disk_write_bytes_per_s"]


@pytest.fixture
def runs(contracts, recorder):
    """Return five runs in which nginx is seen to be down three seconds after the landing."""
    recorder.onset_s = 3.0
    for _ in range(5):
        recorder.run(fault="service_kill")
    return read_runs(recorder.write(), "train", contracts)


def test_the_delay_of_a_symptom_is_found(runs, contracts):
    """Between the last sample that did not show it and the first that did."""
    found = onsets(runs, contracts)["service_down"]
    for signal in ("unit_active_ratio", "probe_ok_ratio", "unit_active_s"):
        assert (found[signal].earliest_s, found[signal].latest_s) == (2.5, 2.5), signal


def test_two_runs_tell_no_onset(runs, contracts):
    """Fewer than three are too few to say anything of a class."""
    assert onsets(runs[:2], contracts) == {}


def test_what_most_runs_never_show_has_no_onset(runs, contracts):
    """Half of the runs at least have to show it."""
    calm = [replace(run, rows=np.where(np.isnan(run.rows), np.nan, run.rows[:1])) for run in runs[:3]]
    assert "probe_ok_ratio" not in onsets([*calm, *runs[3:]], contracts).get("service_down", {})


def test_how_fast_something_fills_is_found(contracts, recorder):
    """A mount that fills three times as fast as the simulator says is said to."""
    data = Entity(kind=EntityKind.MOUNT, key="/srv/data")
    for _ in range(4):
        recorder.run(fault="tmp_full", failure=Failure.DISK_FULL, entity=data)
    fault = "disk_forgotten_scratch"
    effect = looks_of(contracts[fault]).own["mount_used_ratio"]
    rate = 3.0 * (effect.rate[0] + effect.rate[1]) / 2
    found = []
    for run in read_runs(recorder.write(), "train", contracts):
        rows, age = run.rows.copy(), np.clip(run.at_s - run.landed_s, 0.0, None)
        rows[:, run.failing, USED] = np.minimum(0.3 + rate * age, 1.0)
        found.append(replace(run, label=msgspec.structs.replace(run.label, fault=fault), rows=rows, x=0.5))
    assert strengths(found, contracts)[fault]["mount_used_ratio"].rate == pytest.approx(3.0, rel=0.1)
    assert class_strengths(found, contracts) == {}
    others = [replace(run, label=msgspec.structs.replace(run.label, fault="disk_held_by_deleted_file")) for run in found]
    assert class_strengths([*found, *others], contracts)["disk_full"]["mount_used_ratio"].rate == pytest.approx(3.0, rel=0.1)
    slower = [replace(run, rows=run.rows[:1] + (run.rows - run.rows[:1]) / 5) for run in others]
    assert class_strengths([*found, *slower], contracts) == {}


def test_how_much_the_host_feels_is_found(runs, contracts):
    """Writes that rise by half of what the simulator adds are said to; what others' load decides is not fitted."""
    fault = next(name for name, c in contracts.items() if {"disk_write_bytes_per_s", "cpu_iowait_ratio"} <= set(looks_of(c).host))
    effect = looks_of(contracts[fault]).host["disk_write_bytes_per_s"]
    changed = []
    for run in runs:
        host = run.host.copy()
        host[:, WRITES] = 100.0 + np.where(run.broken, (effect.level[0] + effect.level[1]) / 4, 0.0)
        changed.append(replace(run, label=msgspec.structs.replace(run.label, fault=fault), host=host, x=0.5))
    found = strengths(changed, contracts)[fault]
    assert found["disk_write_bytes_per_s"].level == pytest.approx(0.5, rel=0.02)
    assert "cpu_iowait_ratio" not in found
