"""`ordertrainer serve`: the ingest as a program. Touches TCP, the data directory, the terminal."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Annotated, Final

import typer

from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.server import TrainerServer
from ordertrainer.serve.service import Ingested

PROGRESS_S: Final = 10.0


def serve(
    data: Annotated[Path, typer.Option(help="Directory for the data; made when absent.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT to take telemetry on; insecure, keep it private.")] = "127.0.0.1:7443",
) -> None:
    """Take telemetry of hosts over gRPC and keep it as Parquet, until Ctrl-C."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        asyncio.run(_serve(data, listen))
    except ServeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


async def _serve(data: Path, listen: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with TrainerServer(data, listen) as server:
        typer.echo(f"taking telemetry on {server.address} into {data}; Ctrl-C ends it")
        await _report_until(ended, server.ingested)
        typer.echo("writing what is left as Parquet ...")
    typer.echo(_line(server.ingested))


async def _report_until(ended: asyncio.Event, ingested: Ingested) -> None:
    shown = ""
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), PROGRESS_S)
        except TimeoutError:
            if (line := _line(ingested)) != shown:
                typer.echo(line)
                shown = line


def _line(ingested: Ingested) -> str:
    return (
        f"{len(ingested.newest)} hosts, {ingested.samples} samples in {ingested.batches} batches, "
        f"{ingested.decisions} decisions, {ingested.duplicates} duplicates, {ingested.refused} refused"
    )
