"""Recorded runs: what is kept of them, and that their windows are the daemon's."""

import math
import random

import numpy as np
import pytest

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import EntityRow, Sample
from orderd.domain.window import History
from ordertrainer.calibrate import report
from ordertrainer.calibrate.errors import CalibrationError
from ordertrainer.calibrate.recording import _run, cut, read_runs
from ordertrainer.dataset.samples import Taken


def test_windows_are_those_that_the_daemon_would_have_cut(contracts, recorder):
    """Event samples, gaps and entities that come and go included, slot by slot and to the bit."""
    draw = random.Random(3)
    names = [Entity(kind=EntityKind.PROCESS, key=f"{n}:1") for n in range(1, 4)]
    second, samples, history = 0.0, [], History()
    windows = []
    for _ in range(120):
        second += draw.choice([0.07, 0.5, 1.0, 1.0, 1.0, 3.0])
        there = [name for name in names if draw.random() < 0.7]
        values = {name: tuple(draw.random() for _ in ENTITY_SIGNALS) for name in there}
        sample = Sample(
            at=Instant(mono_ns=int(second * 1e9), utc_ns=0),
            cause="timer",
            host=tuple(draw.random() for _ in HOST_SIGNALS),
            entities=tuple(EntityRow(entity=name, values=row) for name, row in values.items()),
        )
        samples.append(Taken(boot_id="b", sample=sample))
        windows.append(history.add(sample))
    label = recorder.run().labels[0]
    run = _run(label, samples, contracts)
    found = cut(run, range(len(samples)))
    for n, window in enumerate(windows):
        host = np.frombuffer(window.host, np.float32).reshape(len(SLOT_AGES_S), -1)
        assert np.array_equal(found.host[n], host, equal_nan=True)
        rows = np.frombuffer(window.rows, np.float32).reshape(len(window.entities), len(SLOT_AGES_S), -1)
        for entity, row in zip(window.entities, rows, strict=True):
            assert np.array_equal(found.rows[n, run.entities.index(entity)], row, equal_nan=True)
        assert np.array_equal(found.seen[n], ~np.isnan(host[:, 0]))


def test_a_run_ends_with_its_revert_and_knows_when_it_was_calm(contracts, recorder):
    """Calm seconds first, broken ones from the landing on, nothing of the time between runs."""
    data = recorder.run().run(fault="").run(split="tune").write()
    broken, quiet = read_runs(data, "train", contracts)
    assert (broken.calm.sum(), broken.broken.sum(), len(broken.at_s)) == (8, 8, 16)
    assert (quiet.calm.sum(), quiet.broken.sum(), quiet.landed_s) == (8, 0, math.inf)
    assert broken.landed_s == 8.0
    assert str(broken.entities[broken.failing]) == "unit:nginx.service"
    assert len(read_runs(data, "tune", contracts)) == 1


def test_runs_of_families_that_are_held_out_are_not_looked_at(recorder, monkeypatch):
    """Fitted to: trained families alone; told of: those that choose between trainings too; the final test's never."""
    for split in ("train", "tune"):
        for fault in ("service_kill", "service_stop", "service_hang"):
            recorder.run(fault=fault, split=split)
    seen = report.read(recorder.write())
    assert {seen.held.part(name).value for name in ("service_kill", "service_stop", "service_hang")} == {"train", "tune", "held"}
    assert [run.label.fault for run in seen.train] == ["service_kill"]
    assert sorted(run.label.fault for run in seen.tune) == ["service_kill", "service_stop"]


@pytest.mark.parametrize("split", ["train", "tune"])
def test_a_split_without_runs_is_refused(recorder, split):
    """The message names the split and what makes one."""
    data = recorder.run(fault="service_kill", split="tune" if split == "train" else "train").write()
    with pytest.raises(CalibrationError, match=f"no runs of the split '{split}'; `ordertrainer collect --split {split}`"):
        report.read(data)
