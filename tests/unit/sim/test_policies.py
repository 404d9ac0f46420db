"""Baselines: who knows more does better."""

import pytest
import torch

from orderd.catalogue import load_repairs
from ordertrainer.sim import Simulator
from ordertrainer.sim.catalogue import PLAYBOOKS
from ordertrainer.sim.policies import Chance, Oracle, Rules

HOSTS = 64
SECONDS = 110


def play(world, policy):
    """Return shares of hosts: in order or rightly with a person at the end, and wrongly with one; and harm an hour of a host."""
    sim = Simulator(world, hosts=HOSTS, seed=21)
    over = torch.zeros(HOSTS, dtype=torch.bool)
    settled, called, sick, harm, lived_s = over.clone(), over.clone(), torch.zeros(HOSTS), 0, 0
    for _ in range(SECONDS):
        outcome = sim.step(policy.act(sim, sim.observe()))
        sick = torch.where(over, sick, outcome.sick.float())
        settled |= outcome.escalated_rightly & ~over
        harm += int((outcome.harmful & ~over).sum())
        lived_s += int((~over).sum())
        called |= outcome.escalated_wrongly & ~over
        over |= outcome.done
    broken = world.faults.sick[sim.state.levels.fault].any(-1)
    share = ((settled | (sick == 0)) & broken).sum() / broken.sum()
    return float(share), harm * 3600 / lived_s, float(called.float().mean())


@pytest.fixture(scope="module")
def played(world):
    """Return what each baseline reaches on the same levels."""
    repairs = load_repairs(PLAYBOOKS / "repairs").repairs
    policies = {"oracle": Oracle(), "rules": Rules(repairs), "chance": Chance(0)}
    return {name: play(world, policy) for name, policy in policies.items()}


def test_knowing_beats_rules_beats_chance(played):
    """Share of broken hosts that end in order, or rightly with a person."""
    assert played["oracle"][0] > played["rules"][0] > played["chance"][0]


def test_the_oracle_settles_everything_and_harms_nobody(played):
    """Every level can be settled: what cannot be repaired is for a person."""
    assert played["oracle"] == (1.0, 0.0, 0.0)


def test_rules_harm_less_than_chance(played):
    """Preconditions and ladders keep hands off what is fine."""
    assert played["rules"][1] < 0.5 * played["chance"][1]


def test_rules_leave_alone_what_was_announced(world, broken):
    """A service that is stopped on purpose: neither a repair, nor a call. The same service stopped by nobody is repaired."""
    actions = {}
    for name in ("service_stopped_on_purpose", "service_stop"):
        rules, sim = Rules(load_repairs(PLAYBOOKS / "repairs").repairs), Simulator(world, hosts=1, seed=0)
        sim.state = broken(name).state
        for _ in range(40):
            action = rules.act(sim, sim.observe())
            actions.setdefault(name, set()).add(int(action))
            sim.step(action)
    assert actions["service_stopped_on_purpose"] == {world.wait}
    assert world.action(0, "service_start") in actions["service_stop"]


def test_chance_repeats(world):
    """Equal seeds draw equal actions."""
    sim = Simulator(world, hosts=16, seed=0)
    seen = sim.observe()
    assert torch.equal(Chance(3).act(sim, seen), Chance(3).act(sim, seen))
