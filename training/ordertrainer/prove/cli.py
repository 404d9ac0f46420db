"""`ordertrainer catalogue`: list what there is, check the contracts, prove all of it on disposable hosts.

Touches: what `run` touches; the terminal. Errors are one line that says what to do, and exit status 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orderd.errors import OrderdError
from ordertrainer.drill.interruption import Interrupted, interruptible
from ordertrainer.prove import matrix
from ordertrainer.prove.check import complaints
from ordertrainer.prove.digests import cure_digest, fault_digest
from ordertrainer.prove.plan import PLAYBOOKS, Item, Shelf, Wanted, items
from ordertrainer.prove.progress import showing
from ordertrainer.prove.result import Keeper, Proofs, read, write

EXIT_UNPROVEN = 1
EXIT_ERROR = 2
WIDTH = 160

catalogue_app = typer.Typer(help="The catalogue of faults and repairs: list, check, prove.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="The file of proofs; a matrix for people lies beside it.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Folder = Annotated[Path, typer.Option(help="The playbooks.", hidden=True)]
OUT = Path("out/catalogue.json")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an error into one message and exit status 2."""
    try:
        yield
    except OrderdError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from error


@catalogue_app.command()
def prove(  # noqa: PLR0917  typer makes an option of each
    fault: Annotated[str, typer.Option(help="Only these faults, separated by commas.", metavar="F")] = "",
    repair: Annotated[str, typer.Option(help="Only these repairs, on the faults they cure.", metavar="R")] = "",
    again: Annotated[bool, typer.Option("--again", help="Also what is proven already.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Hosts at once.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Targets and intensities are drawn from it.")] = 1,
    out: Out = OUT,
    json: Json = False,
    playbooks: Folder = PLAYBOOKS,
) -> None:
    """Prove that every fault lands, is undone and leaves nothing, and that every cure cures, holds and touches nothing else.

    What is proven for the same contracts and playbooks is not proven again. Exit status 0 only when all is proven that the hosts
    can have.
    """
    console = Console(stderr=json, width=None if Console().is_terminal else WIDTH)
    with one_line_errors():
        shelf = Shelf.load(playbooks)
        chosen = items(shelf, Wanted(faults=names(fault), repairs=names(repair), seed=seed))
        keeper = Keeper(out)
        keeper.forget(digests(shelf))
        todo = [item for item in chosen if again or not keeper.proven(item.fault.name, item.repair.name if item.repair else None)]
        if len(todo) < len(chosen):
            console.print(f"{len(chosen) - len(todo)} of {len(chosen)} are proven already; --again proves them once more")
        _carry_out(shelf, todo, keeper, console, parallel)
    whole = not fault and not repair
    _conclude(shelf, chosen, keeper.proofs, console, out=out, json=json, whole=whole)


def _carry_out(shelf: Shelf, todo: list[Item], keeper: Keeper, console: Console, parallel: int) -> None:
    """Prove what is left; whatever interrupts it, hosts go and proofs stay."""
    from ordertrainer.ground import check, reap  # noqa: PLC0415  `--help` needs none of it
    from ordertrainer.prove.run import prove_all  # noqa: PLC0415

    if not todo:
        return
    try:
        with interruptible(), showing(console, len(todo)) as shown:
            check(shown.step)
            for name in reap():
                shown.step(f"took down {name}, which somebody left behind")
            prove_all(todo, keeper, shown, faults_dir=shelf.faults.directory, parallel=parallel)
    except Interrupted as asked:
        write(keeper.path.with_suffix(".html"), matrix.page(matrix.rows(shelf, keeper.proofs), keeper.proofs).encode())
        typer.echo(
            f"interrupted: the hosts are down; {keeper.path} holds what is proven, the same command goes on from there", err=True
        )
        raise typer.Exit(int(asked.code or EXIT_ERROR)) from asked


def _conclude(shelf: Shelf, chosen: list[Item], proofs: Proofs, console: Console, *, out: Path, json: bool, whole: bool) -> None:
    """Print the matrix and leave with what it comes to."""
    shown = [row for row in matrix.rows(shelf, proofs) if whole or row.fault in {item.fault.name for item in chosen}]
    write(out.with_suffix(".html"), matrix.page(matrix.rows(shelf, proofs), proofs).encode())
    console.print(matrix.table(shown))
    for name, cell in matrix.complaints(shown):
        console.print(Text(f"{name}: {cell.state}: {cell.words}", style=matrix.STYLES[cell.state]), soft_wrap=True)
    wrong = complaints(shelf) if whole else []
    for line in wrong:
        console.print(Text(line, style="bold red"), soft_wrap=True)
    console.print(Text(matrix.summary(proofs), style="bold"))
    console.print(f"  {out}\n  {out.with_suffix('.html')}", highlight=False)
    if json:
        typer.echo(msgspec.json.encode(proofs).decode())
    if wrong or unproven(chosen, proofs):
        raise typer.Exit(EXIT_UNPROVEN)


def unproven(chosen: list[Item], proofs: Proofs) -> list[str]:
    """Return the items that are neither proven nor skipped."""
    good = {proof.name for proof in proofs.faults if proof.proven or proof.skipped}
    cured = {(each.name, proof.fault) for each in proofs.repairs for proof in each.proofs if proof.cured or proof.skipped}
    return [
        item.name
        for item in chosen
        if (item.fault.name not in good if item.repair is None else (item.repair.name, item.fault.name) not in cured)
    ]


@catalogue_app.command("list")
def list_(out: Out = OUT, json: Json = False, playbooks: Folder = PLAYBOOKS) -> None:
    """List faults and repairs, with what is proven of each."""
    with one_line_errors():
        shelf, proofs = Shelf.load(playbooks), read(out)
    rows = matrix.rows(shelf, proofs)
    if json:
        typer.echo(msgspec.json.encode(_listed(shelf, rows)).decode())
        return
    console = Console(width=None if Console().is_terminal else WIDTH)
    console.print(matrix.table(rows))
    console.print(_repairs(shelf))
    decoys = sum(fault.decoy for fault in shelf.faults.faults.values())
    console.print(f"{len(rows) - decoys} faults, {decoys} decoys, {len(shelf.repairs.repairs)} repairs")


def _listed(shelf: Shelf, rows: list[matrix.Row]) -> dict[str, object]:
    return {
        "faults": [
            msgspec.to_builtins(shelf.faults.faults[row.fault]) | {"state": row.own.state, "why": row.own.words} for row in rows
        ],
        "repairs": [
            {"name": name, "summary": repair.summary, "cures": shelf.cured_by(name)}
            for name, repair in shelf.repairs.repairs.items()
        ],
    }


def _repairs(shelf: Shelf) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("repair", "takes", "repairs", "proven on"):
        shown.add_column(title, no_wrap=title != "proven on")
    for name, repair in sorted(shelf.repairs.repairs.items()):
        failures, faults = ", ".join(repair.repairs), ", ".join(shelf.cured_by(name))
        shown.add_row(name, str(repair.target), failures, faults or Text("nothing names it as a cure", style="red"))
    return shown


@catalogue_app.command()
def check(playbooks: Folder = PLAYBOOKS) -> None:
    """Check every contract, and that faults and repairs agree; names file, key and value. Needs no host."""
    with one_line_errors():
        shelf = Shelf.load(playbooks)
    found = complaints(shelf)
    for complaint in found:
        typer.echo(complaint, err=True)
    typer.echo(f"{len(shelf.faults.faults)} faults, {len(shelf.repairs.repairs)} repairs, {len(found)} complaints")
    if found:
        raise typer.Exit(EXIT_UNPROVEN)


def names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list, in order, once each."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def digests(shelf: Shelf) -> dict[str | tuple[str, str], str]:
    """Return what a proof of anything in the catalogue would be a proof of now: by fault, and by (repair, fault)."""
    found: dict[str | tuple[str, str], str] = {}
    for name, contract in shelf.faults.faults.items():
        found[name] = fault_digest(shelf.faults.directory, name)
        for cure in contract.cures:
            found[cure, name] = cure_digest(str(found[name]), shelf.repairs.directory, cure)
    return found
