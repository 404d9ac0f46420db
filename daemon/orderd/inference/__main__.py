"""orderd-infer: ``python -m orderd.inference --config FILE``. Listens on inference.socket, or on the socket systemd passed."""

import argparse
import contextlib
import logging
import os
import socket
import stat
import sys
from pathlib import Path

# One thread for numpy's BLAS, which is loaded with numpy but never used; its per-thread buffers would be.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from orderd.config.load import DEFAULT_PATH, load
from orderd.errors import ConfigError
from orderd.inference.service import Service
from orderd.memory import one_arena

_FIRST_PASSED_FD = 3


def listen(path: str) -> socket.socket:
    """Return the stream socket systemd passed, else one bound to ``path``.

    Its own user and group may connect, and orderd is in that group: a question has no side effects, but a LOAD has. The folder
    (RuntimeDirectory) decides who can replace the socket.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        os.set_inheritable(_FIRST_PASSED_FD, False)  # noqa: FBT003  no keyword exists
        return socket.socket(fileno=_FIRST_PASSED_FD)
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _remove_stale(Path(path))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    mask = os.umask(0o117)
    try:
        sock.bind(path)
    finally:
        os.umask(mask)
    sock.listen(16)
    return sock


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def main() -> int:
    """Run until SIGTERM.

    Returns:
        0 after SIGTERM, 2 when the configuration or the socket cannot be used.
    """
    parser = argparse.ArgumentParser(prog="orderd-infer", description="Run the order model on a unix socket.")
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help="orderd.toml (default: %(default)s)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    one_arena()
    try:
        config = load(arguments.config).inference
        listener = listen(config.socket)
    except (ConfigError, OSError) as error:
        logging.getLogger("orderd.inference").error("%s", error)  # noqa: TRY400  a person mends this, not a programmer
        return 2
    Service(config, listener).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
