"""``python -m orderd.executor.zygote``: the warm Ansible process, a root unit of its own. Touches everything a repair touches."""

import argparse
import os
import socket
import sys
from pathlib import Path

from orderd.config import load
from orderd.config.load import DEFAULT_PATH
from orderd.executor.notify import notify
from orderd.executor.sockets import listening_socket
from orderd.executor.zygote.preload import preload


def main(argv: list[str] | None = None) -> int:
    """Load Ansible, then serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="orderd-zygote", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help="orderd.toml, for the paths")
    parser.add_argument("--socket", help="where to listen (default: executor.zygote_socket)")
    parser.add_argument("--work-dir", type=Path, help="parent of all workspaces (default: executor.work_dir)")
    arguments = parser.parse_args(argv)
    socket_path, work_dir = _paths(arguments)
    listener = listening_socket(socket_path, mode=0o600)
    notify_socket = os.environ.get("NOTIFY_SOCKET", "")
    preload()
    _serve(listener, work_dir, notify_socket)
    return 0


def _paths(arguments: argparse.Namespace) -> tuple[str, Path]:
    if arguments.socket and arguments.work_dir:
        return arguments.socket, arguments.work_dir
    executor = load(arguments.config).executor
    return arguments.socket or executor.zygote_socket, arguments.work_dir or Path(executor.work_dir)


def _serve(listener: socket.socket, work_dir: Path, notify_socket: str) -> None:
    from orderd.executor.zygote.server import Zygote

    zygote = Zygote(listener, work_dir)
    notify("READY=1", notify_socket)
    zygote.serve()


if __name__ == "__main__":
    sys.exit(main())
