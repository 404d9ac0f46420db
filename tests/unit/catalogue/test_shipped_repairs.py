"""The repairs that ship: every one has a valid contract and keeps the house's rules."""

from pathlib import Path

import pytest
import yaml

from orderd.catalogue import load_repairs
from orderd.domain.faults import FAILURES, KIND_OF, Failure
from orderd.domain.schema import SCHEMAS

REPAIRS = Path(__file__).parents[3] / "playbooks" / "repairs"
CATALOGUE = load_repairs(REPAIRS)
PLAYBOOKS = sorted(path for path in REPAIRS.glob("*/*.yml") if path.name != "contract.yml")


def test_every_shipped_contract_is_valid():
    """Nothing that ships is refused."""
    assert dict(CATALOGUE.refused) == {}


@pytest.mark.parametrize("failure", [f for f in KIND_OF if f is not Failure.CLOCK_STEPPED])
def test_every_failure_but_a_stepped_clock_has_a_repair(failure):
    """What can be named can be repaired; a stepped clock, like what nobody can name, goes to a person."""
    assert any(failure in repair.repairs for repair in CATALOGUE.repairs.values())


def test_a_stepped_clock_has_no_repair():
    """No playbook sets the clock."""
    assert not any(Failure.CLOCK_STEPPED in repair.repairs for repair in CATALOGUE.repairs.values())


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_playbook_runs_locally_without_facts_in_few_tasks(playbook):
    """One play on localhost, no facts, at most two tasks, each with a name: that is what makes it fast and readable."""
    (play,) = yaml.safe_load(playbook.read_text())
    assert (play["hosts"], play["connection"], play["gather_facts"]) == ("localhost", "local", False)
    assert 1 <= len(play["tasks"]) <= 2
    assert all(task["name"] for task in play["tasks"])


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_playbook_gives_no_observed_value_to_a_shell(playbook):
    """What was seen on the host reaches modules as values, never a command line."""
    (play,) = yaml.safe_load(playbook.read_text())
    for task in play["tasks"]:
        for name, arguments in task.items():
            if name.rpartition(".")[2] in {"shell", "command", "raw", "script"}:
                assert "{{" not in str(arguments)


def test_the_first_rung_of_every_older_class_is_what_it_was():
    """What the catalogue has learnt since comes after: it asks the host for its own cause first, or stands on a higher rung."""
    first = {
        failure: sorted(r.name for r in CATALOGUE.repairs.values() if failure in r.repairs and r.rung == 0)
        for failure in FAILURES[: SCHEMAS[0].failures]
        if failure not in {Failure.OK, Failure.CLOCK_STEPPED}
    }
    assert first == {
        Failure.SERVICE_DOWN: ["service_start"],
        Failure.SERVICE_MASKED: ["service_unmask_and_start"],
        Failure.SERVICE_HUNG: ["service_kill_and_restart"],
        Failure.SERVICE_CRASH_LOOP: ["service_restore_dropins_and_start"],
        Failure.DISK_FULL: ["disk_reclaim_log_space"],
        Failure.CPU_RUNAWAY: ["process_stop"],
        Failure.MEMORY_LEAK: ["process_stop"],
        Failure.DNS_BROKEN: ["resolver_restore"],
    }


@pytest.mark.parametrize("failure", sorted(KIND_OF))
def test_no_two_repairs_of_one_failure_stand_on_one_rung(failure):
    """Which comes first is somebody's decision, never the alphabet's."""
    rungs = [repair.rung for repair in CATALOGUE.repairs.values() if failure in repair.repairs]
    assert len(rungs) == len(set(rungs))


@pytest.mark.parametrize("name", sorted(CATALOGUE.repairs))
def test_every_module_of_a_repair_supports_check_mode(name):
    """A person can ask what a repair would do."""
    (play,) = yaml.safe_load((REPAIRS / name / "repair.yml").read_text())
    modules = [key for task in play["tasks"] for key in task if key.startswith("orderd_")]
    assert modules
    assert all("supports_check_mode=True" in (REPAIRS / "library" / f"{module}.py").read_text() for module in modules)
