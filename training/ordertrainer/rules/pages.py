"""A list of rules for people: as a table, as Markdown, and as plain values. Pure; rich."""

from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from typing import Any, Final

from rich.table import Table

from ordertrainer.rules.distil import LIST, Distilled
from ordertrainer.rules.remedies import Listed
from ordertrainer.rules.rule import PERSON, as_json, when

COLUMNS: Final = {
    "agrees": "says the same",
    "named_agrees": "of what either names",
    "covered": "names what it names",
    "macro_f1": "F1 of its answers",
}
RULE_HEAD: Final = ("", "when", "then", "tried first", "support", "agrees")
ANSWER_HEAD: Final = ("answer", "entities", "incidents", "found", "right", "found by orderd's rules", "right")


def plain(found: Distilled) -> dict[str, Any]:
    """Return it for JSON."""
    return {
        "teacher": found.teacher,
        "rules": [
            {
                "kind": str(each.rule.kind),
                "when": when(each.rule.clauses),
                "tests": as_json(each.rule.clauses),
                "answer": each.answer,
                "repair": each.repair,
                "support": each.support,
                "judged": each.judged,
                "agrees": None if isnan(each.agrees) else round(each.agrees, 6),
            }
            for each in found.rules
        ],
        "fidelity": found.fidelity,
    }


def rule_table(found: Distilled) -> Table:
    """Return the rules, each kind of entity apart."""
    table = _table(f"{found.teacher} in {len(found.rules)} rules; the first that holds decides", RULE_HEAD)
    kind = ""
    for number, each in enumerate(found.rules, start=1):
        if each.rule.kind != kind:
            kind = each.rule.kind
            table.add_section()
        table.add_row(str(number), *_rule_cells(each))
    return table


def fidelity_tables(found: Distilled) -> Iterator[Table]:
    """Yield one table a set: the list, and orderd's own rules, held against the teacher."""
    for name, by_whom in found.fidelity.items():
        sizes = by_whom[LIST]
        title = f"{name}: {sizes['incidents']} incidents, {sizes['entities']} entities, held against {found.teacher}"
        table = _table(title, ("", *COLUMNS.values()))
        for who, figures in by_whom.items():
            table.add_row(who, *(interval(figures[key]) for key in COLUMNS))
        yield table


def answer_table(found: Distilled) -> Table:
    """Return the first set by answer."""
    name = next(iter(found.fidelity))
    table = _table(f"{name}, by what {found.teacher} says", ANSWER_HEAD)
    for cells in _answer_rows(found):
        table.add_row(*cells)
    return table


def markdown(found: Distilled) -> str:
    """Return all of it as a page for a review."""
    parts = [f"# What {found.teacher} learned, in {len(found.rules)} rules\n"]
    parts.append(
        "An entity is what the first rule that holds says, and in order where none does. `support`: entities of the fit for "
        "which a rule decides; `agrees`: of how many of those of other incidents the model says the same.\n"
    )
    rows = ((str(number), *_rule_cells(each)) for number, each in enumerate(found.rules, start=1))
    parts.append(_markdown_table(("rule", *RULE_HEAD[1:]), rows))
    for name, by_whom in found.fidelity.items():
        sizes = by_whom[LIST]
        parts.append(f"\n## {name.capitalize()}: {sizes['incidents']} incidents, {sizes['entities']} entities\n")
        rows = ((who, *(interval(figures[key]) for key in COLUMNS)) for who, figures in by_whom.items())
        parts.append(_markdown_table(("who", *COLUMNS.values()), rows))
    parts.append(f"\n## {next(iter(found.fidelity)).capitalize()}, by what {found.teacher} says\n")
    parts.append(_markdown_table(ANSWER_HEAD, _answer_rows(found)))
    return "\n".join(parts) + "\n"


def interval(score: Mapping[str, float | None]) -> str:
    """Return a figure with its 95 % interval, a dash where there is none."""
    if score["value"] is None:
        return "-"
    return f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"


def _rule_cells(each: Listed) -> tuple[str, ...]:
    agrees = "-" if isnan(each.agrees) else f"{each.agrees:.3f} of {each.judged}"
    conditions = f"{each.rule.kind}: {when(each.rule.clauses)}"
    return conditions, each.answer, each.repair or PERSON, str(each.support), agrees


def _answer_rows(found: Distilled) -> Iterator[tuple[str, ...]]:
    mine, *others = next(iter(found.fidelity.values())).values()
    for answer, figures in mine["answers"].items():
        of_others = (_value(other["answers"][answer][key]) for other in others for key in ("found", "right"))
        counts = (str(figures["entities"]), str(figures["incidents"]))
        yield (answer, *counts, interval(figures["found"]), interval(figures["right"]), *of_others)


def _value(score: Mapping[str, float | None]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.3f}"


def _table(title: str, heads: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _markdown_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])
