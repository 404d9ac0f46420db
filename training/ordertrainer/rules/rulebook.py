"""A list of rules as YAML that ansible-rulebook runs. Pure.

    source      its own webhook, on the loopback, with a token; what is posted there is what `orderctl status --json` prints
    filter      its own event_splitter: one event an entity, each with the host's signals
    conditions  comparisons of the rule, and the preconditions of the repair's contract
    actions     run_playbook of the repair's own playbook; where a person is right, a line of the log
    throttle    a repair's cooldown, by entity: a status is posted again and again

orderd's notices carry no signals, and words for people only: rules about signals cannot hold on them. The status does, for every
entity, by the names that rules use.

ansible-rulebook gives an event to the first rule that matches, in the order of the file, which is what an ordered list means. So
that a rule whose repair may not run does not let the next one have its entity, it is followed by its double, which only says so.

Only `repair.yml` is run: no guard, no verification and no undo stand behind these rules, as they do in orderd. The file says so.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from orderd.catalogue.load import REPAIR_FILE
from orderd.domain.faults import EntityKind
from orderd.domain.repairs import Comparison, Condition, Op, Repair
from orderd.domain.signals import HOST_INDEX
from ordertrainer.rules.remedies import Listed
from ordertrainer.rules.rule import PERSON, Clause, when

PORT: Final = 5057
TOKEN: Final = "ORDERD_EVENTS_TOKEN"  # noqa: S105  the name of a variable
INSTALLED: Final = Path("/usr/share/orderd/playbooks/repairs")
PERSON_AGAIN_S: Final = 900
"""A person is told of the same entity again after this long."""
_SYMBOLS: Final = {Op.LT: "<", Op.LE: "<=", Op.GT: ">", Op.GE: ">=", Op.EQ: "=="}
_VARIABLE: Final = re.compile(r"\{\{\s*(orderd_[a-z_]+)")
_OF_THE_EVENT: Final = {
    "orderd_target": "{{ event.entity.key }}",
    "orderd_pid": "{{ event.entity.key.split(':')[0] }}",
    "orderd_start_ticks": "{{ event.entity.key.split(':')[1] }}",
}
"""What a playbook is told that follows from the entity. The rest is the host's and stands in the inventory: what passes through a
rulebook becomes text, and a list of protected units would protect nothing any more."""
_SETTINGS: Final[Mapping[str, object]] = {
    "orderd_protected_units": ["nginx.service"],
    "orderd_known_good": "/var/lib/orderd-exec/known-good",
    "orderd_quarantine": "/var/lib/orderd-exec/quarantine/rulebook",
    "orderd_resolv_conf": "/etc/resolv.conf",
    "orderd_resolver_name": "host.example",
    "orderd_listens": ["tcp 127.0.0.1:80"],
}
"""Examples of what orderd tells playbooks from its own configuration."""


def rulebook(rules: Iterable[Listed], repairs: Mapping[str, Repair], *, sources: Path, playbooks: Path, title: str) -> str:
    """Return the text of a rulebook.

    Args:
        rules: in the order in which they apply.
        repairs: the catalogue, for preconditions and cooldowns.
        sources: folder of the repairs, read for the variables of their playbooks.
        playbooks: the same folder where the rulebook will run.
        title: of the ruleset.
    """
    entries, names = list[dict[str, Any]](), set[str]()
    for number, each in enumerate(rules, start=1):
        variables = _variables(sources, each.repair) if each.repair else ()
        names |= set(variables)
        entries += _entries(number, each, repairs.get(each.repair), variables, playbooks)
    ruleset = {"name": title, "hosts": "localhost", "sources": [_source()], "rules": entries}
    body = yaml.safe_dump([ruleset], sort_keys=False, width=200, allow_unicode=True)
    settings = {name: _SETTINGS[name] for name in sorted(names - set(_OF_THE_EVENT))}
    return _header(title, settings, playbooks) + body


def condition(kind: EntityKind, clauses: Iterable[Clause], also: Condition | None = None) -> str:
    """Return comparisons as a condition of ansible-rulebook, where a missing key satisfies nothing.

    Args:
        kind: of the entity.
        clauses: all must hold.
        also: a contract's condition that must hold besides.
    """
    parts = [f'event.entity.kind == "{kind}"', *(_clause(clause) for clause in clauses)]
    for alternatives in also.all_of if also else ():
        words = [_comparison(each) for each in alternatives]
        parts.append(words[0] if len(words) == 1 else f"({' or '.join(words)})")
    return " and ".join(parts)


def _entries(
    number: int, each: Listed, repair: Repair | None, variables: Iterable[str], playbooks: Path
) -> Iterator[dict[str, Any]]:
    name = f"{number:02d} {each.rule.kind} {each.answer}"
    clauses = each.rule.clauses
    if repair is None:
        yield _entry(name, condition(each.rule.kind, clauses), PERSON_AGAIN_S, _call(each, f"{each.answer}: call {PERSON}"))
        return
    unmet = _not_implied(repair.preconditions, clauses)
    run = {
        "run_playbook": {
            "name": str(playbooks / repair.name / REPAIR_FILE),
            "extra_vars": {name: _OF_THE_EVENT[name] for name in variables if name in _OF_THE_EVENT},
        }
    }
    yield _entry(f"{name}: {repair.name}", condition(each.rule.kind, clauses, unmet), math.ceil(repair.cooldown_s) or 1, run)
    if unmet.all_of:
        words = f"{each.answer}: {repair.name} may not run, its contract asks for more"
        yield _entry(f"{name}: wait", condition(each.rule.kind, clauses), PERSON_AGAIN_S, _call(each, words))


def _entry(name: str, holds: str, again_s: int, action: dict[str, Any]) -> dict[str, Any]:
    throttle = {"once_within": f"{again_s} seconds", "group_by_attributes": ["event.entity.kind", "event.entity.key"]}
    return {"name": name, "condition": holds, "throttle": throttle, "action": action}


def _call(each: Listed, words: str) -> dict[str, Any]:
    seen = when(each.rule.clauses)
    return {"debug": {"msg": f"{words}; on {{{{ event.hostname }}}} {each.rule.kind} {{{{ event.entity.key }}}}, because {seen}"}}


def _source() -> dict[str, Any]:
    split = {
        "splitter_key": "payload.entities",
        "attributes_key_map": {"host": "payload.signals", "hostname": "payload.hostname"},
        "raise_error": False,
    }
    return {
        "name": "what orderd sees",
        "eda.builtin.webhook": {"host": "127.0.0.1", "port": PORT, "token": f"{{{{ {TOKEN} }}}}"},
        "filters": [{"eda.builtin.event_splitter": split}],
    }


def _clause(clause: Clause) -> str:
    signal = _place(clause.signal)
    if math.isinf(clause.value):
        return f"{signal} is {'not ' if clause.missing_holds else ''}defined"
    return _compared(signal, clause.op, clause.value, missing_holds=clause.missing_holds)


def _comparison(comparison: Comparison) -> str:
    return _compared(_place(comparison.signal), comparison.op, comparison.value, missing_holds=comparison.missing_holds)


def _compared(place: str, op: Op, value: float, *, missing_holds: bool) -> str:
    """Return a comparison; where a missing signal satisfies it, that is asked first, for no negation holds of a missing key.

    ansible-rulebook takes "is not defined" beside "and" only, hence the part that always holds.
    """
    number = f"{value:.9f}".rstrip("0")
    compared = f"{place} {_SYMBOLS[op]} {number}{'0' if number.endswith('.') else ''}"
    return f"((event.entity.kind is defined and {place} is not defined) or {compared})" if missing_holds else compared


def _place(signal: str) -> str:
    return f"event.{'host' if signal in HOST_INDEX else 'signals'}.{signal}"


def _not_implied(asked: Condition, clauses: tuple[Clause, ...]) -> Condition:
    """Return what a contract asks for and comparisons do not say already."""
    return Condition(
        all_of=tuple(some for some in asked.all_of if not any(_implies(clause, c) for clause in clauses for c in some))
    )


def _implies(clause: Clause, comparison: Comparison) -> bool:
    if clause.signal != comparison.signal or math.isinf(clause.value) or (clause.missing_holds and not comparison.missing_holds):
        return False
    if clause.op is Op.LT:
        return comparison.op in {Op.LT, Op.LE} and clause.value <= comparison.value
    return clause.op is Op.GE and (
        (comparison.op is Op.GE and clause.value >= comparison.value)
        or (comparison.op is Op.GT and clause.value > comparison.value)
    )


def _variables(sources: Path, repair: str) -> tuple[str, ...]:
    """Return the names of what a repair's playbook is told, as it writes them."""
    text = (sources / repair / REPAIR_FILE).read_text(encoding="utf-8")
    return tuple(sorted(set(_VARIABLE.findall(text))))


def _header(title: str, settings: Mapping[str, object], playbooks: Path) -> str:
    localhost = {"ansible_connection": "local", **settings}
    example = yaml.safe_dump({"all": {"hosts": {"localhost": localhost}}}, sort_keys=False)
    lines = [
        f"{title}, for ansible-rulebook. Made by `ordertrainer rules`; its fidelity is in the report that was made with it.",
        "",
        "Runs on the host itself, as root, beside an orderd in mode observe. No guard, no verification and no undo stand behind",
        "these rules; orderd has all three, and decides by the model itself.",
        "",
        f"    export {TOKEN}=events-$(openssl rand -hex 16)",
        f"    export ANSIBLE_LIBRARY={playbooks}/library ANSIBLE_MODULE_UTILS={playbooks}/module_utils",
        f"    ansible-rulebook --rulebook FILE --inventory INVENTORY --env-vars {TOKEN}",
        "",
        "    while sleep 1; do",
        f'      orderctl status --json | curl -fsS -H "Authorization: Bearer ${TOKEN}" --data-binary @- 127.0.0.1:{PORT}',
        "    done",
        "",
        "INVENTORY says what these playbooks have to know of the host, as orderd tells it from orderd.toml. For example:",
        *(f"    {line}" for line in example.splitlines()),
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)
