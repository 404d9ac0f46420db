"""What may be tried where is what orderd itself would try."""

import pytest
import torch

from orderd.catalogue import load_repairs
from orderd.decision.candidates import candidates
from orderd.domain.faults import Failure
from orderd.domain.values import Diagnosis, Source
from ordertrainer.sim import Simulator
from ordertrainer.sim.attempts import How
from ordertrainer.sim.candidates import outcomes, usable
from ordertrainer.sim.catalogue import FAILURE_CLASSES, PLAYBOOKS
from ordertrainer.sim.windows import window_of


@pytest.fixture(scope="module")
def sim(world):
    """Return hosts in the midst of their troubles."""
    sim = Simulator(world, hosts=24, seed=11)
    for _ in range(45):
        sim.step(torch.full((24,), world.wait))
    return sim


def test_usable_is_what_orderds_candidates_are(world, sim):
    """For every entity and failure class, orderd's own list of usable repairs is the simulator's."""
    repairs = load_repairs(PLAYBOOKS / "repairs").repairs
    seen = sim.observe()
    ours_all = sim.usable(seen)
    slots = {world.layout.entity(slot): slot for slot in range(world.layout.slots)}
    held = torch.zeros_like(seen.present).scatter_(1, sim.state.levels.slot, (sim.state.lanes.front & sim.state.known.held).T)
    compared = 0
    for host in range(24):
        window = window_of(seen, host, world.layout)
        for row in window.newest.entities:
            slot = slots[row.entity]
            if held[host, slot]:
                assert not ours_all[host, slot].any()
                continue
            ours = {world.repair_names[r] for r in ours_all[host, slot].nonzero()[:, 0].tolist()}
            for failure in Failure:
                diagnosis = Diagnosis(failure=failure, entity=row.entity, probability=1.0, source=Source.RULES)
                theirs = {c.repair for c in candidates(diagnosis, row, repairs.values(), ()) if not c.refused_because}
                fitting = world.repairs.failures[:, FAILURE_CLASSES.index(failure)]
                assert {name for name in ours if fitting[world.repair_names.index(name)]} == theirs, (row.entity, failure)
                compared += len(theirs)
    assert compared > 20


def test_what_was_announced_is_not_usable(world, broken):
    """A service that is stopped on purpose looks down, and no repair of it may be tried."""
    hosts = broken("service_stopped_on_purpose")
    hosts.do(seconds=5)
    assert not usable(world, hosts.state)[0, 0].any()
    assert usable(world, broken("service_stop").state)[0, 0].any()


def test_how_attempts_ended_is_told_by_entity_and_repair(world, broken):
    """What decides sees what was tried, and what came of it."""
    hosts = broken("service_bad_config")
    squatter, start = (world.repair_names.index(name) for name in ("service_evict_port_squatter", "service_start"))
    hosts.do(squatter)
    hosts.do(start, seconds=20)
    hosts.do(world.action(0, "service_roll_back_config"), seconds=5)
    found = outcomes(world, hosts.state)
    assert {(e, world.repair_names[r], int(found[0, e, r])) for _, e, r in found.nonzero().tolist()} == {
        (0, "service_evict_port_squatter", How.NOT_THE_CASE),
        (0, "service_start", How.IN_VAIN),
        (0, "service_roll_back_config", How.HELPED),
    }


def test_nothing_is_usable_where_nothing_is(world, sim):
    """Empty slots take no repair."""
    seen = sim.observe()
    assert not sim.usable(seen)[~seen.present].any()


def test_what_was_tried_in_vain_is_not_usable_again(world, broken):
    """Until something has ended a fault there."""
    hosts = broken("service_bad_config")
    start = world.repair_names.index("service_start")
    hosts.do(seconds=5)
    assert usable(world, hosts.state)[0, 0, start]
    hosts.do(start, seconds=5)
    assert not usable(world, hosts.state).any()
    hosts.do(seconds=10)
    assert not usable(world, hosts.state)[0, 0, start]
    assert usable(world, hosts.state)[0, 0, world.repair_names.index("service_roll_back_config")]


def test_waiting_is_always_allowed_and_calls_are_when_idle(world, sim):
    """A mask never leaves a policy without an action."""
    masks = sim.masks()
    assert masks.shape == (24, world.actions)
    assert masks[:, world.wait].all()
    assert torch.equal(masks[:, world.escalate], sim.state.idle)
