"""`ordertrainer keygen`, `sign` and `verify`: the fleet owner's keys. Reads and writes key files, model folders, catalogues."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from orderd.errors import OrderdError
from orderd.packaging.signing import (
    MODELS_KEY,
    PLAYBOOKS_KEY,
    check_model,
    check_playbooks,
    default_keys_dir,
    sign_model,
    sign_playbooks,
)
from orderd.trust.keys import key_id, load_private, make_pair

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that is signed.")]
Key = Annotated[Path, typer.Option(help="Private key file, mode 0600.")]
Serial = Annotated[int, typer.Option(min=0, help="Must rise with every release. 0: the second in which it was made.")]
Days = Annotated[float, typer.Option(min=0.0, help="Hosts refuse it after so many days. 0: never.")]
TrustDir = Annotated[Path, typer.Option("--trust", help="Folder of public keys, as on a host.")]

sign_app = typer.Typer(no_args_is_help=True)
verify_app = typer.Typer(no_args_is_help=True)


def keygen(
    directory: Annotated[Path | None, typer.Option("--dir", help="Where the keys go (default: ~/.config/orderd/keys).")] = None,
) -> None:
    """Make the fleet owner's two key pairs: one signs models, the other playbooks. Keep the private halves off the hosts."""
    folder = directory or default_keys_dir()
    with _told():
        for name in (MODELS_KEY, PLAYBOOKS_KEY):
            public = make_pair(folder / name)
            typer.echo(f"{key_id(load_private(folder / name).public_key())}  {folder / name}  {public}")


@sign_app.command("model")
def sign_a_model(folder: Folder, *, key: Key, serial: Serial = 0, days: Days = 0.0) -> None:
    """Sign a model folder: manifest.json gets its serial and term, manifest.sig is written beside it."""
    with _told():
        signed = sign_model(folder, key, serial=serial, days=days)
    typer.echo(f"{folder}: order {signed.version}, serial {signed.serial}, {_until(signed.not_after)}, key {signed.key_id}")


@sign_app.command("playbooks")
def sign_the_playbooks(folder: Folder, *, key: Key, serial: Serial = 0, days: Days = 0.0) -> None:
    """Sign a catalogue of repairs: manifest.json names every file by its hash, manifest.sig is written beside it."""
    with _told():
        signed = sign_playbooks(folder, key, serial=serial, days=days)
    typer.echo(f"{folder}: {len(signed.files)} files, serial {signed.serial}, {_until(signed.not_after)}")


@verify_app.command("model")
def verify_a_model(folder: Folder, *, trust_dir: TrustDir) -> None:
    """Check a signed model folder as a host would."""
    with _told():
        found, identity = check_model(folder, trust_dir, time.time())
    typer.echo(f"{folder}: good; order {found.version}, serial {found.serial}, {_until(found.not_after)}, key {identity}")


@verify_app.command("playbooks")
def verify_the_playbooks(folder: Folder, *, trust_dir: TrustDir) -> None:
    """Check a signed catalogue as a host would, every file included."""
    with _told():
        found, identity = check_playbooks(folder, trust_dir, time.time())
    typer.echo(f"{folder}: good; {len(found.files)} files, serial {found.serial}, {_until(found.not_after)}, key {identity}")


def _until(not_after: str) -> str:
    return f"until {not_after}" if not_after else "does not expire"


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except OrderdError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
