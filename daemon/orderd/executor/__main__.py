"""``python -m orderd.executor``: orderd-exec, the small root program that runs catalogued repairs.

Started by systemd on the first request (socket activation) and gone again when idle. Touches the socket, the catalogue, the
zygote and systemd; never Ansible itself.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from orderd.config import Config, load
from orderd.config.load import DEFAULT_PATH
from orderd.errors import ExecutorError, OrderdError
from orderd.executor.admission import Admission, Playbooks
from orderd.executor.conduct import Conductor
from orderd.executor.ledger import Ledger
from orderd.executor.scope import NoScopes, Scopes, SystemdScopes
from orderd.executor.server import Server, user_ids
from orderd.executor.sockets import listening_socket
from orderd.memory import trim

LEDGER_FILE: Final = "ledger.json"
IDLE_S: Final = 30.0


def main(argv: list[str] | None = None) -> int:
    """Serve until idle or stopped; exit status 1 with one line when something is not allowed."""
    arguments = _parser().parse_args(argv)
    try:
        config = load(arguments.config)
        asyncio.run(_serve(config, arguments))
    except OrderdError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orderd-exec", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help="the same orderd.toml that orderd reads")
    parser.add_argument("--idle", type=float, default=IDLE_S, metavar="S", help="leave after S idle seconds; 0: stay")
    parser.add_argument(
        "--no-scope", action="store_true", help="TESTS ONLY: a process group instead of a systemd scope; a repair can escape it"
    )
    return parser


async def _serve(config: Config, arguments: argparse.Namespace) -> None:
    executor = config.executor
    playbooks = Playbooks.load(executor, time.time())
    for name, reason in playbooks.refused.items():
        print(f"repair {name} refused: {reason}", file=sys.stderr, flush=True)
    ledger = Ledger(Path(executor.socket).with_name(LEDGER_FILE), per_minute=executor.repairs_per_minute)
    scopes: Scopes = NoScopes(Path(executor.work_dir)) if arguments.no_scope else SystemdScopes.of(executor)
    conductor = Conductor(executor.zygote_socket, scopes)
    try:
        await conductor.settle()
    except ExecutorError as error:  # it is tried again, and has to succeed, before the next repair
        print(error, file=sys.stderr, flush=True)
    server = Server(
        listening_socket(executor.socket, mode=0o660),
        Admission(config, playbooks, ledger),
        conductor,
        users=user_ids(executor.allowed_users, file=str(arguments.config)),
        repairs_at_once=config.decision.repairs_at_once,
    )
    trim()
    await server.serve(idle_s=arguments.idle or None)


if __name__ == "__main__":
    sys.exit(main())
