"""Ansible alone draws the very experiments that `ordertrainer drill` draws."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from ordertrainer.chaos.experiment import variables
from ordertrainer.drill.battery import experiments as drawn_by_us
from ordertrainer.drill.battery import faults_of, load

PLUGIN = Path(__file__).parents[3] / "playbooks" / "drills" / "filter_plugins" / "experiments.py"


@pytest.fixture(scope="module")
def plugin():
    """The filter plugin as Ansible loads it."""
    spec = importlib.util.spec_from_file_location("experiments_filter", PLUGIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["first", "smoke", "standard", "exam", "decoys"])
def test_ansible_draws_what_we_draw(plugin, name):
    """The same battery and seed give the same experiments, as plain values, with the same variables for the faults' playbooks."""
    chosen = load(name)
    faults = faults_of(chosen)
    drawn = drawn_by_us(9, faults, chosen.intensities)
    ours = [variables(each, faults[each.fault], ttl_s=faults[each.fault].ttl_s_max) for each in drawn]
    theirs = plugin.experiments(name, 9)
    assert [each["chaos"] for each in theirs] == ours
    assert json.loads(json.dumps(theirs))[0]["kind"] == str(faults[theirs[0]["fault"]].target)


def test_faults_can_be_named_instead(plugin):
    """`-e faults=a,b` takes these, in this order."""
    assert [each["fault"] for each in plugin.experiments("first", 1, "disk_fill, service_kill")] == ["disk_fill", "service_kill"]


@pytest.mark.parametrize("name", ["pairs", "game-day", "quiet", "riot"])
def test_what_ansible_alone_cannot_carry_out_is_refused(plugin, name):
    """Batteries of another shape, and those that do not exist, are refused by name."""
    with pytest.raises(plugin.AnsibleFilterError, match=name):
        plugin.experiments(name, 1)
