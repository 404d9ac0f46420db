"""Labels of simulated windows: by the rules of recorded drills."""

import torch

from orderd.domain.faults import Failure
from ordertrainer.dataset import IGNORE as DATASET_IGNORE
from ordertrainer.sim import Simulator, observe
from ordertrainer.sim.catalogue import FAILURE_CLASSES
from ordertrainer.sim.truth import IGNORE, truth


def of(world, hosts):
    """Return the truth about hosts now."""
    return truth(world, hosts.state, observe(world, hosts.state))


def test_the_failing_entity_is_labelled_and_all_others_are_ok(world, broken):
    """By the class of the fault, from its landing on."""
    hosts = broken(("service_mask", {"onset_s": 5.0}))
    ok, masked = (FAILURE_CLASSES.index(failure) for failure in (Failure.OK, Failure.SERVICE_MASKED))
    before = of(world, hosts)
    assert not before.wrong[0]
    assert set(before.failure[0].tolist()) == {ok, IGNORE}
    hosts.do(seconds=8)
    after = of(world, hosts)
    assert after.wrong[0]
    assert after.failure[0, 0] == masked
    assert after.age_s[0, 0] == 3
    assert world.fault_names[after.fault[0, 0]] == "service_mask"
    assert (after.failure[0, 1:] <= ok).all()


def test_decoys_are_ok(world, broken):
    """A decoy makes nothing wrong."""
    hosts = broken("batch_job")
    hosts.do(seconds=5)
    said = of(world, hosts)
    assert not said.wrong[0]
    assert (said.failure <= FAILURE_CLASSES.index(Failure.OK)).all()


def test_who_only_suffers_is_not_judged(world, quiet, broken):
    """A service on a full disk is neither ok nor failing."""
    rests_on = quiet().rests_on
    rests_on[:, 0] = world.layout.first("mount")
    hosts = broken("disk_forgotten_scratch", rests_on=rests_on)
    hosts.do(seconds=20)
    assert of(world, hosts).failure[0, 0] == IGNORE
    assert of(world, hosts).failure[0, 1] == FAILURE_CLASSES.index(Failure.OK)


def test_what_lies_behind_is_wrong_but_has_no_label_yet(world, broken):
    """The one in front is what can be named."""
    hosts = broken("service_mask", ("service_unit_file_broken", {"behind": True}))
    masked, unreadable = (FAILURE_CLASSES.index(f) for f in (Failure.SERVICE_MASKED, Failure.SERVICE_LOAD_ERROR))
    assert of(world, hosts).failure[0, 0] == masked
    hosts.do(world.action(0, "service_unmask_and_start"), seconds=2)
    assert of(world, hosts).failure[0, 0] == unreadable


def test_failures_without_a_name_are_not_judged(world):
    """As in recorded data: there is no class to call them by; that something is wrong is known."""
    assert IGNORE == DATASET_IGNORE
    sim = Simulator(world, hosts=256, seed=4)
    for _ in range(40):
        sim.step(torch.full((256,), world.wait))
    said = truth(world, sim.state, sim.observe())
    unknown = world.faults.failure[said.fault] == FAILURE_CLASSES.index(Failure.UNKNOWN)
    assert unknown.any()
    assert (said.failure[unknown] == IGNORE).all()
    assert said.wrong[unknown.any(-1)].all()
