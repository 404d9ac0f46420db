"""``python -m orderd.identity``: enrols or renews, then ends, and the crypto library with it. Touches the trainer, a directory.

orderd starts it to renew, ``orderctl enrol`` to enrol. The token comes on standard input, where no list of processes shows it.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from orderd.domain.peers import host_id
from orderd.errors import IdentityError

MACHINE_ID: Final = Path("/etc/machine-id")
_TOKEN_MAX: Final = 16 << 10


def _enrol(arguments: argparse.Namespace) -> str:
    from orderd.identity.enrolment import enrol  # noqa: PLC0415  a wrong command line needs no crypto
    from orderd.identity.token import from_text  # noqa: PLC0415

    try:
        token = from_text(sys.stdin.read(_TOKEN_MAX))
    except ValueError as error:
        raise IdentityError(str(error)) from error
    this = "" if arguments.me else host_id(MACHINE_ID.read_text(encoding="ascii"))
    return f"enrolled as {enrol(token, arguments.directory, this)}"


def _renew(arguments: argparse.Namespace) -> str:
    from orderd.identity.enrolment import renew  # noqa: PLC0415

    found = renew(arguments.directory, arguments.trainer)
    return f"renewed {found.name}"


def main() -> int:
    """Run the program; the last line of standard error says what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m orderd.identity", description="Enrol, or renew the certificate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in (("enrol", _enrol), ("renew", _renew)):
        sub = commands.add_parser(name)
        sub.add_argument("--directory", type=Path, required=True)
        sub.add_argument("--me", action="store_true", help="a person enrols, not this host")
        sub.add_argument("--trainer", default="", help="HOST:PORT to renew at; default: as when it was enrolled")
        sub.set_defaults(command=command)
    arguments = parser.parse_args()
    try:
        print(arguments.command(arguments))
    except (IdentityError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
