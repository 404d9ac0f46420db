"""Families are collected only for the split that may have them."""

import pytest

from orderd.domain.faults import Failure
from ordertrainer import heldout
from ordertrainer.chaos import load_faults
from ordertrainer.collect.errors import CollectError
from ordertrainer.collect.families import PARTS, families
from ordertrainer.dataset import SPLITS
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.heldout import Part


@pytest.fixture(scope="module")
def faults():
    """The real catalogue."""
    return load_faults(FAULTS_DIR).faults


@pytest.fixture(scope="module")
def held():
    """The locked split."""
    return heldout.load()


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_its_families_and_what_is_held_out_is_in_the_test_alone(faults, held, split):
    """Everything that the split may have, with a name or without, and nothing else."""
    found = families(faults, held, split)
    assert found
    assert set(found) == {name for name in faults if held.part(name) in PARTS[split]}
    assert any(fault.failure is Failure.UNKNOWN for fault in found.values())
    assert any(held.part(name) is Part.HELD for name in found) is (split == "test")
    assert any(held.part(name) is Part.TUNE for name in found) is (split == "tune")


def test_who_asks_for_a_family_that_is_held_out_is_told_so(faults, held):
    """By name and by the file that says so; a name that is no fault is told what there is."""
    assert list(families(faults, held, "train", ["service_kill"])) == ["service_kill"]
    with pytest.raises(CollectError, match=r"service_mask is for the part 'held' of heldout.toml; --split train"):
        families(faults, held, "train", ["service_kill", "service_mask"])
    with pytest.raises(CollectError, match=r"--faults names 'nonsense'; there are: .*service_kill"):
        families(faults, held, "test", ["nonsense"])
