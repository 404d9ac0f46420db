"""A training refuses recorded drills that it may not see."""

from dataclasses import replace

import numpy as np
import pytest

from ordertrainer import heldout
from ordertrainer.chaos import load_faults
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.locked import refuse_held
from ordertrainer.imitation.toy import toy_examples


@pytest.fixture(scope="module")
def faults():
    """The real catalogue."""
    return load_faults(FAULTS_DIR).faults


def drills(faults, fault, share):
    """Return drills in which one fault was injected at a share of its range."""
    toy = toy_examples(seed=0, runs=12)
    low, high = faults[fault].intensity.min, faults[fault].intensity.max
    injected = toy.fault != ""
    intensity = np.where(injected, low + share * (high - low), np.nan).astype(np.float32)
    return replace(toy, fault=np.where(injected, fault, ""), intensity=intensity)


@pytest.mark.parametrize(
    ("fault", "share", "tune", "why"),
    [
        ("disk_fill_many_files", 0.6, False, ""),
        ("disk_fill_many_files", 0.4, False, ""),
        ("disk_fill_many_files", 0.9, False, r"disk_fill_many_files at 0.90 of its range; trained is 0.4 to 0.8"),
        ("disk_fill_many_files", 0.2, True, r"at 0.20 of its range"),
        ("disk_fill", 0.6, False, r"run toy-\d+: disk_fill is for the part 'held' of heldout.toml"),
        ("disk_fill", 0.6, True, "'held'"),
        ("sysctl_bad", 0.6, False, "'tune'"),
        ("sysctl_bad", 0.6, True, ""),
        ("disk_fill_many_files", float("nan"), False, ""),
    ],
)
def test_families_and_intensities_that_are_held_out_are_refused(faults, fault, share, tune, why):
    """Those that choose between trainings only choose; what is not recorded is not judged."""
    seen = drills(faults, fault, share)
    if not why:
        refuse_held(seen, heldout.load(), faults, tune=tune)
        return
    with pytest.raises(HeldOutError, match=why):
        refuse_held(seen, heldout.load(), faults, tune=tune)
