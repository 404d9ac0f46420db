"""A list as YAML; that ansible-rulebook takes it is proven in tests/integration/test_rulebook_engine.py."""

import math
import re
from pathlib import Path

import pytest
import yaml

from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Op
from ordertrainer.rules.remedies import Listed
from ordertrainer.rules.rule import Clause, Rule
from ordertrainer.rules.rulebook import condition, rulebook
from ordertrainer.sim.catalogue import PLAYBOOKS

AT = Path("/srv/playbooks")


def clause(signal, op, value, *, missing_holds=False):
    """Return a comparison."""
    return Clause(signal=signal, op=op, value=value, missing_holds=missing_holds)


def listed(kind, clauses, answer, repair):
    """Return a rule of a list."""
    rule = Rule(kind=kind, clauses=tuple(clauses), answer=1)
    return Listed(rule=rule, answer=answer, repair=repair, support=10, judged=5, agrees=1.0)


@pytest.fixture
def written(playbooks):
    """Return what writes a list, and reads it again as text and as the rules of its one ruleset."""

    def write(*rules):
        text = rulebook(rules, playbooks.repairs, sources=PLAYBOOKS / "repairs", playbooks=AT, title="What it learned")
        return text, yaml.safe_load(text)[0]["rules"]

    return write


MASKED = listed(
    EntityKind.UNIT,
    [clause("unit_masked_ratio", Op.GE, 0.5), clause("unit_active_ratio", Op.LT, 0.5)],
    "service_masked",
    "service_unmask_and_start",
)
FULL = listed(EntityKind.MOUNT, [clause("mount_used_ratio", Op.GE, 0.9)], "disk_full", "disk_reclaim_log_space")
STEPPED = listed(EntityKind.CLOCK, [clause("clock_step_s", Op.GE, 2.0)], "clock_stepped", "")
RUNAWAY = listed(EntityKind.PROCESS, [clause("process_cpu_user_cores", Op.GE, 1.1)], "cpu_runaway", "process_stop")


def test_conditions_are_those_of_the_rule():
    """Entity and host signals by their names, where the events carry them."""
    clauses = (clause("probe_latency_s", Op.GE, 0.45), clause("pressure_cpu_ratio", Op.LT, 0.6))
    assert condition(EntityKind.UNIT, clauses) == (
        'event.entity.kind == "unit" and event.signals.probe_latency_s >= 0.45 and event.host.pressure_cpu_ratio < 0.6'
    )


def test_what_is_missing_is_asked_for_by_name():
    """A missing key satisfies no comparison of ansible-rulebook, and no negation of one."""
    silent = clause("probe_ok_ratio", Op.LT, 0.5, missing_holds=True)
    gone = clause("mount_used_ratio", Op.GE, math.inf, missing_holds=True)
    measured = clause("mount_stuck_s", Op.LT, math.inf)
    assert condition(EntityKind.UNIT, [silent]) == (
        'event.entity.kind == "unit" and '
        "((event.entity.kind is defined and event.signals.probe_ok_ratio is not defined) or event.signals.probe_ok_ratio < 0.5)"
    )
    assert condition(EntityKind.MOUNT, [gone, measured]) == (
        'event.entity.kind == "mount" and event.signals.mount_used_ratio is not defined '
        "and event.signals.mount_stuck_s is defined"
    )


def test_a_rule_runs_the_repair_of_the_catalogue(written):
    """Its own playbook, with what this names and no more, and not again before its cooldown is over."""
    _, (rule,) = written(MASKED)
    assert rule["action"]["run_playbook"] == {
        "name": "/srv/playbooks/service_unmask_and_start/repair.yml",
        "extra_vars": {"orderd_target": "{{ event.entity.key }}"},
    }
    assert rule["throttle"] == {"once_within": "10 seconds", "group_by_attributes": ["event.entity.kind", "event.entity.key"]}


def test_a_contract_that_asks_for_more_stands_in_the_condition(written, playbooks):
    """And where it does not hold, no other rule gets the entity."""
    _, rules = written(FULL, MASKED)
    asked = playbooks.repairs["disk_reclaim_log_space"].preconditions
    assert asked.all_of
    assert [rule["name"][:2] for rule in rules] == ["01", "01", "02"]
    assert rules[0]["condition"].startswith(rules[1]["condition"] + " and ")
    assert "run_playbook" in rules[0]["action"]
    assert "disk_reclaim_log_space may not run" in rules[1]["action"]["debug"]["msg"]
    assert "event.signals.unit_masked_ratio >= 0.5" in rules[2]["condition"]


def test_where_a_person_is_right_none_of_the_repairs_runs(written):
    """A line of the log, and why."""
    _, (rule,) = written(STEPPED)
    assert list(rule["action"]) == ["debug"]
    assert "clock_stepped: call a person" in rule["action"]["debug"]["msg"]
    assert "clock_step_s >= 2 s" in rule["action"]["debug"]["msg"]


def test_a_process_is_told_by_its_two_numbers(written):
    """As its playbook wants them."""
    text, rules = written(RUNAWAY)
    told = rules[0]["action"]["run_playbook"]["extra_vars"]
    assert told == {
        "orderd_pid": "{{ event.entity.key.split(':')[0] }}",
        "orderd_start_ticks": "{{ event.entity.key.split(':')[1] }}",
    }
    assert "#           orderd_protected_units:" in text
    assert f"ANSIBLE_LIBRARY={AT}/library" in text


def test_names_are_unique(written):
    """Two rules may say the same of one kind; ansible-rulebook refuses a name that comes twice."""
    _, rules = written(MASKED, FULL, MASKED, STEPPED, STEPPED)
    names = [rule["name"] for rule in rules]
    assert len(set(names)) == len(names)


def test_every_repair_of_the_catalogue_can_be_run_from_a_rulebook(written, playbooks):
    """Whatever a playbook has to be told, the event says it, or the header names it as something for the inventory."""
    busy = [clause("cpu_user_ratio", Op.GE, 0.1)]
    text, rules = written(*(listed(r.target, busy, str(r.repairs[0]), name) for name, r in playbooks.repairs.items()))
    runs = [rule["action"]["run_playbook"] for rule in rules if "run_playbook" in rule["action"]]
    assert len(runs) == len(playbooks.repairs)
    for run in runs:
        playbook = PLAYBOOKS / "repairs" / Path(run["name"]).relative_to(AT)
        for name in set(re.findall(r"\{\{ (orderd_\w+)", playbook.read_text(encoding="utf-8"))):
            assert name in run["extra_vars"] or f"#           {name}:" in text
