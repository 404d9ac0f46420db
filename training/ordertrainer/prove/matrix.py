"""The matrix for people: faults down, repairs across, as tables for the terminal and as one HTML page. Pure.

A repair is shown only against the faults that name it as a cure; against the others there is nothing to prove.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from ordertrainer.prove.plan import Shelf
from ordertrainer.prove.result import CureProof, FaultProof, Proofs, RepairProof

PROVEN, NOT, SKIPPED, OPEN = "proven", "not", "skipped", "open"
STYLES: Final = {PROVEN: "green", NOT: "bold red", SKIPPED: "yellow", OPEN: "dim"}
SIGNS: Final = {PROVEN: "✓", NOT: "✗", SKIPPED: "-", OPEN: "·"}
LEGEND: Final = "✓ proven, ✗ not proven, - skipped: the host lacks something, · not tried yet; blank: no cure."
WORDS_MAX: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One thing proven or not: the state, and why or how in words."""

    state: str
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault: its name, whether it is a decoy, the fault's own cell, and its cures by name."""

    fault: str
    group: str
    own: Cell
    cures: dict[str, Cell]


def rows(shelf: Shelf, proofs: Proofs) -> list[Row]:
    """Return one row a fault, by group and name."""
    faults = {proof.name: proof for proof in proofs.faults}
    cures = {(repair.name, proof.fault): proof for repair in proofs.repairs for proof in repair.proofs}
    found = [
        Row(
            fault=name,
            group=contract.group,
            own=fault_cell(faults.get(name)),
            cures={repair: _cure(shelf, repair, cures.get((repair, name))) for repair in contract.cures},
        )
        for name, contract in shelf.faults.faults.items()
    ]
    return sorted(found, key=lambda row: (row.group, row.fault))


def fault_cell(proof: FaultProof | None) -> Cell:
    """Return what is known of a fault."""
    if proof is None:
        return Cell(state=OPEN, words="not tried yet")
    if proof.skipped:
        return Cell(state=SKIPPED, words=proof.skipped)
    if proof.proven:
        return Cell(state=PROVEN, words=f"landed in {proof.landed_s:.2f} s")
    left = f"left on the host: {'; '.join(proof.residue)}" if proof.residue else ""
    return Cell(state=NOT, words="; ".join(filter(None, (proof.why, left)))[:WORDS_MAX])


def cure_cell(proof: CureProof | None) -> Cell:
    """Return what is known of a cure."""
    if proof is None:
        return Cell(state=OPEN, words="not tried yet")
    if proof.skipped:
        return Cell(state=SKIPPED, words=proof.skipped)
    if proof.cured:
        return Cell(state=PROVEN, words=f"repaired and verified in {proof.repaired_s:.1f} s")
    beside = f"changed beside it: {'; '.join(proof.collateral)}" if proof.collateral else ""
    return Cell(state=NOT, words="; ".join(filter(None, (proof.why, beside)))[:WORDS_MAX])


def _cure(shelf: Shelf, repair: str, proof: CureProof | None) -> Cell:
    if repair not in shelf.repairs.repairs:
        return Cell(state=NOT, words=shelf.repairs.refused.get(repair, "there is no such repair"))
    return cure_cell(proof)


def unnamed(shelf: Shelf) -> list[str]:
    """Return the repairs that no fault names as a cure: nothing can prove them."""
    named = {cure for fault in shelf.faults.faults.values() for cure in fault.cures}
    return sorted(shelf.repairs.repairs.keys() - named)


def table(found: Sequence[Row]) -> Table:
    """Return the rows for a terminal; repairs are named beside their sign, because forty columns fit on no screen."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("group", "fault", "", "cures"):
        shown.add_column(title, no_wrap=title != "cures")
    for row in found:
        cures = Text("  ").join(_sign(cell, name) for name, cell in row.cures.items())
        shown.add_row(Text(row.group, style="dim"), Text(row.fault), _sign(row.own), cures)
    return shown


def _sign(cell: Cell, name: str = "") -> Text:
    return Text(f"{SIGNS[cell.state]} {name}".strip(), style=STYLES[cell.state])


def complaints(found: Sequence[Row]) -> list[tuple[str, Cell]]:
    """Return everything that is not proven, with why, skipped things last."""
    cells = [(row.fault, row.own) for row in found]
    cells += [(f"{row.fault} -> {name}", cell) for row in found for name, cell in row.cures.items()]
    return sorted((each for each in cells if each[1].state in {NOT, SKIPPED}), key=lambda each: each[1].state)


def summary(proofs: Proofs) -> str:
    """Return the figures in one line."""
    faults, repairs = proofs.faults, proofs.repairs
    return (
        f"{sum(each.proven for each in faults)} of {len(faults)} faults land, are undone and leave nothing"
        f" ({sum(bool(each.skipped) for each in faults)} skipped); "
        f"{sum(each.proven for each in repairs)} of {len(repairs)} repairs are proven"
        f" ({sum(_skipped(each) for each in repairs)} skipped)"
    )


def _skipped(repair: RepairProof) -> bool:
    return bool(repair.skipped)


STYLE: Final = """
body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#1a1a1a;background:#fff}
table{border-collapse:collapse}td,th{padding:1px 6px;border-bottom:1px solid #e4e4e4;text-align:left;font-weight:normal}
th.r{writing-mode:vertical-rl;transform:rotate(180deg);vertical-align:bottom;border:0;white-space:nowrap}
td.c{text-align:center}.g{color:#777}.proven{background:#d9f2dd}.not{background:#f9d3d3}.skipped{background:#fbf0cf}.open{color:#aaa}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}td,th{border-color:#333}
.proven{background:#1f4d2b}.not{background:#6b2020}.skipped{background:#5b4a13}}
"""


def page(found: Sequence[Row], proofs: Proofs) -> str:
    """Return the matrix as a page that needs nothing else."""
    repairs = sorted({name for row in found for name in row.cures})
    head = "".join(f'<th class="r">{html.escape(name)}</th>' for name in repairs)
    body = "".join(_line(row, repairs) for row in found)
    wrong = "".join(
        f"<li><b>{html.escape(name)}</b> {cell.state}: {html.escape(cell.words)}</li>" for name, cell in complaints(found)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Catalogue</title>'
        f"<style>{STYLE}</style><h1>Catalogue</h1><p>{html.escape(summary(proofs))}</p>"
        f"<table><tr><th></th><th>fault</th><th>itself</th>{head}</tr>{body}</table>"
        f"<p>{LEGEND}</p><ul>{wrong}</ul></html>\n"
    )


def _line(row: Row, repairs: Sequence[str]) -> str:
    cells = "".join(_box(row.cures[name]) if name in row.cures else "<td></td>" for name in repairs)
    return f'<tr><td class="g">{html.escape(row.group)}</td><td>{html.escape(row.fault)}</td>{_box(row.own)}{cells}</tr>'


def _box(cell: Cell) -> str:
    return f'<td class="c {cell.state}" title="{html.escape(cell.words, quote=True)}">{SIGNS[cell.state]}</td>'
