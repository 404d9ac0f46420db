"""An exam in parts is the exam: tasks for any process come to what one process finds."""

import pickle

import pytest
import torch

from ordertrainer.fanout import fan_out
from ordertrainer.policy import report as reports
from ordertrainer.policy.actor import Network
from ordertrainer.policy.report import examine, makers, told, turns
from ordertrainer.policy.sitting import Machine, Weights, sittings
from ordertrainer.policy.suites import MIX, training_mix


@pytest.fixture
def arms(playbooks, untrained, monkeypatch):
    """Return a network, before two hosts at a time."""
    monkeypatch.setattr(reports, "PART_HOSTS", 2)
    return makers(playbooks, lambda: Network(untrained, playbooks.contracts), (), 3)


def test_an_exam_as_tasks_finds_what_it_finds_in_one_go(playbooks, held, untrained, arms):
    """Every figure of every policy, to the last digit; each task travels as bytes."""
    asked = [training_mix(playbooks.world, held)]
    every = turns([MIX], arms, 3)
    weights = Weights(shape=dict(untrained.shape._asdict()), tensors=untrained.state_dict())
    tasks = pickle.loads(pickle.dumps(sittings(weights, every, seed=3, machine=Machine())))
    found = told(playbooks, asked, every, fan_out(tasks))
    assert len(tasks) == 2
    assert {"hosts": 3, "seed": 3, **found} == examine(playbooks, arms, asked, hosts=3, seed=3)


def test_hosts_are_played_in_parts_that_are_the_same_for_every_policy(monkeypatch):
    """Small enough to be shared out; the first part is what a small exam is."""
    monkeypatch.setattr(reports, "PART_HOSTS", 4)
    every = turns(["quiet", "singles"], ["rules", "chance"], 10)
    assert [(turn.part, turn.hosts) for turn in every[:3]] == [(0, 4), (1, 4), (2, 2)]
    assert len(every) == 12
    seeds = {
        (turn.suite, turn.part): {each.seed(0) for each in every if (each.suite, each.part) == (turn.suite, turn.part)}
        for turn in every
    }
    assert all(len(each) == 1 for each in seeds.values())
    assert len(set.union(*seeds.values())) == 6
    assert turns(["quiet"], ["rules"], 4)[0].seed(0) == every[0].seed(0)


def test_weights_travel_whole(untrained):
    """What arrives says what was sent."""
    sent = Weights(shape=dict(untrained.shape._asdict()), tensors=untrained.state_dict())
    arrived = pickle.loads(pickle.dumps(sent)).net()
    assert not arrived.training
    assert all(torch.equal(value, arrived.state_dict()[name]) for name, value in untrained.state_dict().items())
