"""``orderctl enrol``: this host, or the person who types it, joins a fleet. Starts a process that asks the trainer.

On a host the process runs as the user orderd, so that the key is orderd's from its first moment and root writes into no folder
that orderd owns. The token goes to it on standard input, where no list of processes shows it.
"""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from orderd.config import load
from orderd.config.load import DEFAULT_PATH
from orderd.config.schema import IdentityConfig
from orderd.ctl.client import CtlError, Exit
from orderd.errors import ConfigError

USER: Final = "orderd"
_STDIN: Final = "-"
_TIMEOUT_S: Final = 60.0
_TOKEN_BYTES_MAX: Final = 16 << 10


def own_directory() -> Path:
    """Return where a person's identity is kept: $ORDERD_IDENTITY, else orderd/identity in the folder for settings."""
    if given := os.environ.get("ORDERD_IDENTITY"):
        return Path(given)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "orderd" / "identity"


def _host_directory(config: Path) -> Path:
    try:
        return Path((load(config).identity if config.exists() else IdentityConfig()).directory)
    except ConfigError as error:
        raise CtlError(Exit.REFUSED, str(error)) from error


def _read(token: str, file: Path | None) -> str:
    if bool(token) == (file is not None):
        raise CtlError(Exit.USAGE, "give either TOKEN (- reads it from standard input) or --file")
    if file is None:
        return sys.stdin.read(_TOKEN_BYTES_MAX) if token == _STDIN else token
    try:
        with file.open(encoding="ascii", errors="replace") as opened:
            return opened.read(_TOKEN_BYTES_MAX)
    except OSError as error:
        raise CtlError(Exit.REFUSED, f"--file {file}: {error.strerror}") from error


def _as_orderd(directory: Path) -> dict[str, Any]:
    """Return how a process is started as the user of the service, whose folder is made where it is missing."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam(USER)
    except KeyError as error:
        raise CtlError(Exit.REFUSED, f"there is no user {USER}: install orderd first (playbooks/fleet/install.yml)") from error
    if not directory.parent.exists():
        directory.parent.mkdir(mode=0o755, parents=True)
        os.chown(directory.parent, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": (), "cwd": "/"}


def run(command: str, directory: Path, *options: str, token: str = "", started: dict[str, Any] | None = None) -> str:
    """Have ``python -m orderd.identity`` do something, and return what it said.

    Args:
        command: ``enrol`` or ``renew``.
        directory: of the identity.
        options: more of its command line.
        token: what it reads.
        started: how the process is started, see `subprocess.run`.

    Raises:
        CtlError: it could not; the message is its own.
    """
    argv = [sys.executable, "-I", "-m", "orderd.identity", command, "--directory", str(directory), *options]
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "GRPC_VERBOSITY": "NONE"}
    try:
        ended = subprocess.run(
            argv, input=token, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=env, **(started or {})
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise CtlError(Exit.NOT_RUNNING, f"cannot {command}: {error}") from error
    if ended.returncode:
        lines = ended.stderr.strip().splitlines()
        raise CtlError(Exit.REFUSED, lines[-1] if lines else f"python -m orderd.identity ended with {ended.returncode}")
    return ended.stdout.strip()


def enrol(
    token: Annotated[str, typer.Argument(metavar="[TOKEN]", help="As `ordertrainer token` printed it; - reads it.")] = "",
    file: Annotated[Path | None, typer.Option(help="A file that holds the token.")] = None,
    me: Annotated[bool, typer.Option("--me", help="You join, not this host; for orderctl --host.")] = False,
    config: Annotated[Path, typer.Option(help="Says where the host's identity is kept.")] = DEFAULT_PATH,
) -> None:
    """Join a fleet with a token from `ordertrainer token`: this host, or with --me yourself."""
    text = _read(token, file)
    if me:
        print(run("enrol", own_directory(), "--me", token=text))
        return
    directory = _host_directory(config)
    print(run("enrol", directory, token=text, started=_as_orderd(directory)))
    print("orderd sees it within seconds; no restart is needed")
