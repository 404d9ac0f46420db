"""The shipped faults agree with their programs on the host, with the repairs, and with the rule that the revert comes first."""

from __future__ import annotations

import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml

from orderd.catalogue import load_repairs
from orderd.domain.faults import FAILURES
from ordertrainer.chaos import catalogue, load_faults
from ordertrainer.chaos.steps import Sight, Undo

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
CATALOGUE = load_faults(PLAYBOOKS / "faults")
NAMES = sorted(CATALOGUE.faults)


def tasks_of(name, playbook):
    """Return the tasks of one playbook of a fault."""
    plays = yaml.safe_load((PLAYBOOKS / "faults" / name / playbook).read_text(encoding="utf-8"))
    assert len(plays) == 1
    assert plays[0]["gather_facts"] is False
    return plays[0]["tasks"]


@pytest.fixture
def on_host(monkeypatch):
    """Import a module of the host's part as the host does."""
    monkeypatch.syspath_prepend(str(PLAYBOOKS / "faults" / "common" / "host"))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if "common/host" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_no_shipped_fault_is_refused():
    """Every folder under playbooks/faults is a fault that serves."""
    assert dict(CATALOGUE.refused) == {}
    assert NAMES


def test_every_failure_class_has_a_fault_that_causes_it():
    """Nothing orderd can name is beyond what a drill can cause, and there are decoys beside it."""
    assert {fault.failure for fault in CATALOGUE.faults.values()} >= set(FAILURES)


@pytest.mark.parametrize("name", NAMES)
def test_cures_are_repairs_of_the_failure(name):
    """Each cure is a catalogued repair that says it repairs this failure on this kind of target."""
    fault = CATALOGUE.faults[name]
    repairs = load_repairs(PLAYBOOKS / "repairs").repairs
    for cure in fault.cures:
        assert fault.failure in repairs[cure].repairs
        assert fault.target == repairs[cure].target


@pytest.mark.parametrize("name", NAMES)
def test_the_revert_is_armed_before_anything_else(name):
    """The first task of every injection is the arming, and nothing may go on when it fails."""
    first, *rest = tasks_of(name, "inject.yml")
    assert first == {"ansible.builtin.import_tasks": "../common/arm.yml"}
    assert rest
    arming = yaml.safe_load((PLAYBOOKS / "faults" / "common" / "arm.yml").read_text(encoding="utf-8"))
    assert not any(key in task for task in arming for key in ("ignore_errors", "failed_when", "ignore_unreachable"))


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_that_is_no_longer_armed_is_not_injected(name):
    """Every task that breaks something looks first whether the revert is still armed: it may have taken too long."""
    for task in tasks_of(name, "inject.yml")[1:]:
        shared = task.get("ansible.builtin.import_tasks", "")
        assert shared == "../common/launch.yml" or "baseline.json" in task["ansible.builtin.command"]["removes"]


@pytest.mark.parametrize(("playbook", "shared"), [("landed.yml", "landed"), ("revert.yml", "revert")])
@pytest.mark.parametrize("name", NAMES)
def test_landing_and_revert_have_one_logic(name, playbook, shared):
    """No fault brings a check or a revert of its own beside the ones that were armed."""
    assert tasks_of(name, playbook) == [{"ansible.builtin.import_tasks": f"../common/{shared}.yml"}]


@pytest.mark.parametrize(("union", "module"), [(Sight, "sights"), (Undo, "undo")])
def test_every_kind_of_step_has_its_program_on_the_host(union, module, on_host):
    """Contracts cannot name a step that the host does not know, and the host knows none that contracts cannot name."""
    kinds = on_host(module).KINDS
    assert {each.__struct_config__.tag for each in typing.get_args(union)} == set(kinds)


def test_every_need_has_a_check(on_host):
    """A contract cannot ask the host for something that nobody looks for."""
    checks = on_host("needs").CHECKS
    assert {need for fault in CATALOGUE.faults.values() for need in fault.needs} <= set(checks)


@pytest.mark.parametrize("consent", [False, True])
def test_a_host_that_nobody_offered_is_not_broken(on_host, monkeypatch, tmp_path, consent):
    """A host that is neither a disposable clone nor marked by its owner refuses every fault."""
    needs, failures = on_host("needs"), on_host("failures")
    monkeypatch.setattr(needs, "CONSENT", tmp_path / "chaos-allowed")
    monkeypatch.setattr(needs, "container", lambda: "none")
    if consent:
        needs.CONSENT.touch()
        needs.check_consent()
    else:
        with pytest.raises(failures.Refused, match="its owner allows"):
            needs.check_consent()


def test_playbooks_pass_ansibles_own_syntax_check(tmp_path):
    """Ansible itself can read every playbook of every fault."""
    playbooks = [str(PLAYBOOKS / "faults" / name / file) for name in NAMES for file in catalogue.PLAYBOOKS]
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "--syntax-check", "-i", "localhost,", *playbooks]
    environment = os.environ | {"ANSIBLE_HOME": str(tmp_path), "ANSIBLE_LOCALHOST_WARNING": "False"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
