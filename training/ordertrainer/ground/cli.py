"""`ordertrainer host ...`: disposable hosts by hand.

Touches: what `host` touches. Every error of the ground is one line and exit status 2.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from ordertrainer.ground import hosts, image, preflight
from ordertrainer.ground.errors import GroundError, MissingToolsError, NotRootError
from ordertrainer.ground.host import CPU_RATIO, MEMORY_BYTES, DisposableHost
from ordertrainer.ground.ledger import is_alive
from ordertrainer.ground.network import inside_address
from ordertrainer.ground.paths import Ground
from ordertrainer.ground.reaper import reap as reap_hosts
from ordertrainer.ground.residue import residue
from ordertrainer.ground.signals import unwinding

host_app = typer.Typer(help="Disposable hosts: copy-on-write clones of this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the host.")]


@contextmanager
def one_line_errors() -> Generator[None, None, None]:
    """Turn an error of the ground into one message and exit status 2."""
    try:
        with unwinding():
            yield
    except GroundError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


def say(line: str) -> None:
    """Print one line of progress."""
    typer.echo(line, err=True)


@host_app.command()
def up(
    name: Annotated[str | None, typer.Argument(help="Name; drawn when left out.")] = None,
    index: Annotated[int | None, typer.Option(help="1 to 250, gives 10.99.INDEX.2; free one when left out.")] = None,
    memory_mib: Annotated[int, typer.Option(min=256, help="Memory in MiB.")] = MEMORY_BYTES >> 20,
    cpu: Annotated[float, typer.Option(min=0.1, help="CPUs, in cores.")] = CPU_RATIO,
) -> None:
    """Boot a host that stays until it is taken down."""
    with one_line_errors():
        preflight.check(say)
        host = DisposableHost.up(name, index=index, memory_bytes=memory_mib << 20, cpu_ratio=cpu, keep=True, say=say)
    typer.echo(host.name)
    say(f"  ssh -F {host.ssh_config} {host.name}")
    say(f"  ansible-playbook -i {host.inventory} ...")
    say(f"  ordertrainer host enter {host.name} | ordertrainer host down {host.name}")


@host_app.command()
def down(
    name: Annotated[str | None, typer.Argument(help="Name of the host.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Take every host down.")] = False,
) -> None:
    """Take a host down and leave nothing of it."""
    with one_line_errors():
        if (name is None) != every:
            raise GroundError("name one host, or give --all")
        ground = Ground()
        for each in hosts.names(ground) if every else [name or ""]:
            host = DisposableHost.find(each, ground)
            host.down()
            left = residue(each, host.index, ground)
            typer.echo(f"{each}: down" if not left else f"{each}: left behind: {'; '.join(left)}")
            if left:
                raise typer.Exit(1)


@host_app.command("list")
def list_() -> None:
    """List the hosts that are up."""
    with one_line_errors():
        for record in hosts.records(Ground()):
            owner = "kept" if record.owner is None else f"pid {record.owner.pid}"
            if record.owner and not is_alive(record.owner):
                owner += " (dead: run `ordertrainer host reap`)"
            typer.echo(f"{record.name}\t{inside_address(record.index)}\tinit {record.init_pid}\t{owner}")


@host_app.command()
def enter(name: Name) -> None:
    """Open a root shell in a host."""
    with one_line_errors():
        host = DisposableHost.find(name)
    os.execvp("ssh", ["ssh", "-t", "-F", str(host.ssh_config), host.name])  # noqa: S606 - the shell is ssh


@host_app.command()
def reap() -> None:
    """Take down the hosts whose owner is dead."""
    with one_line_errors():
        for name in reap_hosts():
            typer.echo(f"{name}: down")


@host_app.command()
def prepare() -> None:
    """Do beforehand what the first host would do: install tools, build the image. Where no host can run, say why."""
    try:
        with unwinding():
            preflight.check(say)
            image.ensure(Ground(), say)
    except (NotRootError, MissingToolsError) as reason:
        say(f"no disposable hosts here, tests that need one are skipped: {reason}")


@host_app.command("image")
def image_() -> None:
    """Build this machine's drill image, if it is not there."""
    with one_line_errors():
        preflight.check(say)
        typer.echo(str(image.ensure(Ground(), say)))
