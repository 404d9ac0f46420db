"""The catalogue as tensors says what the contracts say."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from orderd.catalogue import load_repairs
from orderd.domain.faults import KINDS, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS
from ordertrainer.chaos import steps
from ordertrainer.chaos.catalogue import load_faults
from ordertrainer.sim import compile_catalogue, evidence, healthy
from ordertrainer.sim.catalogue import FAILURE_CLASSES, PLAYBOOKS, compile_conditions
from ordertrainer.sim.layout import Layout
from ordertrainer.sim.symptoms import CLASSES, looks_of


@pytest.fixture(scope="module")
def faults():
    """Return the contracts of faults."""
    return load_faults(PLAYBOOKS / "faults").faults


@pytest.fixture(scope="module")
def repairs():
    """Return the contracts of repairs."""
    return load_repairs(PLAYBOOKS / "repairs").repairs


def test_every_fault_and_repair_of_the_catalogue_is_simulated(world, faults, repairs):
    """Nothing is named twice: the folders are the list."""
    assert set(world.fault_names) == set(faults)
    assert set(world.repair_names) == set(repairs)


def test_a_folder_more_is_a_fault_more(faults, repairs):
    """A new contract needs no line of the simulator."""
    more = {**faults, "zz_new": msgspec.structs.replace(faults["service_stop"], name="zz_new")}
    compiled = compile_catalogue(more, repairs)
    assert compiled.fault_names[-1] == "zz_new"
    assert torch.equal(compiled.own.moved[-2], compiled.own.moved[compiled.fault_names.index("service_stop")])


def test_cures_and_classes_are_those_of_the_contracts(world, faults):
    """Which repair ends which fault is data of the catalogue."""
    for row, name in enumerate(world.fault_names):
        contract = faults[name]
        cures = {world.repair_names[place] for place in world.faults.cures[row].nonzero()[:, 0].tolist()}
        assert cures == set(contract.cures) & set(world.repair_names), name
        assert world.faults.cure_count[row] == len(cures)
        assert FAILURE_CLASSES[world.faults.failure[row]] is contract.failure
        assert KINDS[world.faults.kind[row]] is contract.target
        assert bool(world.faults.sick[row]) != contract.decoy


def test_a_cure_that_is_not_in_the_catalogue_cures_nothing(faults, repairs):
    """A fault whose cures are missing is for a person."""
    compiled = compile_catalogue(faults, {name: r for name, r in repairs.items() if name != "service_unmask_and_start"})
    assert compiled.faults.cure_count[compiled.fault_names.index("service_mask")] == 0


def test_every_failure_class_has_its_look():
    """A class without an entry would be a fault that nobody sees."""
    assert set(CLASSES) == set(Failure)


def test_every_signal_has_values_in_order():
    """What a healthy host measures is told of every declared signal, and of no other."""
    assert list(healthy.ENTITY) == [signal.name for signal in ENTITY_SIGNALS]
    assert list(healthy.HOST) == [signal.name for signal in HOST_SIGNALS]


def test_signs_are_read_from_steps_that_there_are():
    """A kind of step that was renamed is not looked for in vain."""
    kinds = {"see": set(), "undo": set()}
    for union, of in ((steps.Sight, "see"), (steps.Undo, "undo")):
        kinds[of] = {step.__struct_config__.tag for step in union.__args__}
    assert set(evidence._SIGHTS) <= kinds["see"]
    assert set(evidence._UNDOS) <= kinds["undo"]


def test_a_fault_moves_signals_of_its_own_kind_only(faults):
    """A service has no inodes."""
    for contract in faults.values():
        signs = looks_of(contract)
        assert all(contract.target in ENTITY_SIGNALS[ENTITY_INDEX[name]].kinds for name in signs.own), contract.name
        assert set(signs.host) <= set(HOST_INDEX)


def test_what_the_witness_sees_is_seen_by_orderd(faults):
    """A service whose main process is gone is not active; one that failed has failed; a drop-in is a changed drop-in."""
    stopped, bad, looping = (looks_of(faults[name]).own for name in ("service_stop", "service_bad_config", "service_crash_loop"))
    assert stopped["unit_active_ratio"].level == (0.0, 0.0)
    assert "unit_failed_ratio" not in stopped
    assert bad["unit_failed_ratio"].level == (1.0, 1.0)
    assert looping["unit_dropins_changed_ratio"].level == (1.0, 1.0)
    assert looping["unit_active_ratio"].cyclic


def test_conditions_hold_when_the_contracts_hold(world, repairs):
    """Compiled comparisons agree with orderd's own on any row, missing signals and bounds included."""
    rng = np.random.default_rng(4)
    rows = rng.choice([0.0, 0.1, 0.5, 0.8, 0.95, 1.0, 3.0, 15.0, math.nan], size=(300, len(ENTITY_SIGNALS)))
    rows = rows.astype(np.float32)
    for table, of in ((world.repairs.preconditions, "preconditions"), (world.repairs.healthy, "healthy")):
        said = table.hold(torch.from_numpy(rows))
        for column, name in enumerate(world.repair_names):
            repair = repairs[name]
            condition = repair.preconditions if of == "preconditions" else repair.verify.healthy
            # Constants are compared in single precision here, as the values are.
            condition = replace(condition, all_of=tuple(tuple(_single(c) for c in group) for group in condition.all_of))
            assert [condition.holds(tuple(row)) for row in rows.tolist()] == said[:, column].tolist(), name


def _single(comparison):
    return replace(comparison, value=float(np.float32(comparison.value)))


def test_a_repair_without_preconditions_is_always_possible():
    """No comparison is a condition that holds."""
    from orderd.domain.repairs import Condition

    assert compile_conditions([Condition()]).hold(torch.zeros(2, len(ENTITY_SIGNALS))).tolist() == [[True], [True]]


def test_repairs_that_ask_first_are_known_by_their_modules(world):
    """A plain start acts; one that compares files with the record looks first."""
    looks = {name: bool(world.repairs.looks[row]) for row, name in enumerate(world.repair_names)}
    assert looks["service_roll_back_config"]
    assert looks["service_evict_port_squatter"]
    assert not looks["service_start"]
    assert not looks["process_stop"]


def test_actions_are_numbered_slot_by_slot(world):
    """A pointer is slot times repairs plus repair; the three calls come last."""
    action = world.action(3, "service_start")
    assert (world.moves.slot[action], world.moves.repair[action]) == (3, world.repair_names.index("service_start"))
    assert world.moves.fits[action]
    assert not world.moves.fits[world.action(world.layout.first("mount"), "service_start")]
    assert len(world.moves.slot) == world.actions
    assert not world.moves.fits[[world.wait, world.stop, world.escalate]].any()


def test_more_than_can_be_numbered_is_refused(faults, repairs):
    """Slots and repairs are kept in one byte."""
    with pytest.raises(ValueError, match="at most 126"):
        compile_catalogue(faults, repairs, layout=Layout(units=200))
