"""`ordertrainer serve` and `ordertrainer token`. Touches TCP, the data directory, the terminal."""

import asyncio
import logging
import signal
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated, Final

import typer

from orderd.domain.peers import Role
from ordertrainer.serve import joining
from ordertrainer.serve.door import Tls
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.leases import Terms
from ordertrainer.serve.server import TrainerServer
from ordertrainer.serve.service import Ingested
from ordertrainer.serve.tokens import Grant

PROGRESS_S: Final = 10.0


def serve(
    *,
    data: Annotated[Path, typer.Option(help="Directory for the data; made when absent.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT for members of the fleet.")] = "127.0.0.1:7443",
    enrol: Annotated[str, typer.Option(help="HOST:PORT to enrol on; default: the port after --listen's.")] = "",
    name: Annotated[list[str] | None, typer.Option(help="DNS name or address others know this machine by; repeatable.")] = None,
    fleet: Annotated[str, typer.Option(help="What the fleet is called; only at first use.")] = "",
    repair_share: Annotated[float, typer.Option(help="Share of the known hosts that may be under repair at once.")] = 0.1,
    group_share: Annotated[float, typer.Option(help="The same for each topology group.")] = 0.25,
    lease_s: Annotated[float, typer.Option(help="Seconds after which a host under repair has to ask again.")] = 120.0,
    insecure: Annotated[bool, typer.Option("--insecure", help="No TLS: loopback and private addresses only.")] = False,
) -> None:
    """Take telemetry of hosts over gRPC with mutual TLS and keep it as Parquet, until Ctrl-C."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        terms = Terms(repair_share=repair_share, group_share=group_share, lease_s=lease_s)
        terms.check()
        tls = Tls(enrol=enrol, names=tuple(name or ()), fleet=fleet)
        asyncio.run(_serve(TrainerServer(data, listen, insecure=insecure, tls=tls, terms=terms), data))
    except ServeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


class Joining(StrEnum):
    """What a token may be for."""

    HOST = "host"
    OPERATOR = "operator"
    ADMIN = "admin"
    READER = "reader"
    TRAINER = "trainer"


def token(
    *,
    role: Annotated[Joining, typer.Option(help="What whoever brings the token becomes.")],
    name: Annotated[str, typer.Option(help="Of the person; for a host its id, else any new host may use the token.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="DNS name or address a host answers at; repeatable.")] = None,
    data: Annotated[Path, typer.Option(help="The trainer's data directory.")] = Path("data"),
    trainer: Annotated[str, typer.Option(help="HOST:PORT of the trainer; default: where it served last.")] = "",
    enrol: Annotated[str, typer.Option(help="HOST:PORT to enrol at; default: where it served last.")] = "",
    minutes: Annotated[float, typer.Option(min=0.05, max=1440.0, help="How long it is good for.")] = 15.0,
    out: Annotated[Path | None, typer.Option(help="Write it to a file that only you may read.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Make a token that lets one host or person join the fleet, once, within 15 minutes."""
    try:
        text, line = joining.make(
            data,
            Grant(role=Role[role.name], who=name, addresses=tuple(address or ())),
            places=(trainer, enrol),
            lifetime_s=minutes * 60,
        )
        if out is not None:
            joining.write(out, text)
    except ServeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    shown = f"written to {out}" if out is not None else text
    if json:
        typer.echo(
            dumps({"token": text, "role": role.value, "name": name, "minutes": minutes} | ({"file": str(out)} if out else {}))
        )
    else:
        typer.echo(shown)
        typer.echo(line, err=True)


async def _serve(wanted: TrainerServer, data: Path) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with wanted as server:
        enrol = f", enrolments on {server.enrol_address}" if server.enrol_address else ", without TLS"
        typer.echo(f"taking telemetry on {server.address}{enrol}, into {data}; Ctrl-C ends it")
        await _report_until(ended, server)
        typer.echo("writing what is left as Parquet ...")
    typer.echo(_line(server.ingested, server.budget))


async def _report_until(ended: asyncio.Event, server: TrainerServer) -> None:
    shown = ""
    while not ended.is_set():
        try:
            async with asyncio.timeout(PROGRESS_S):
                await ended.wait()
        except TimeoutError:
            if (line := _line(server.ingested, server.budget)) != shown:
                typer.echo(line)
                shown = line


def _line(ingested: Ingested, budget: str) -> str:
    return (
        f"{len(ingested.newest)} hosts, {ingested.samples} samples in {ingested.batches} batches, "
        f"{ingested.decisions} decisions, {ingested.duplicates} duplicates, {ingested.refused} refused; {budget}"
    )
