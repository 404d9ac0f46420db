"""AF_UNIX sockets without asyncio: who is at the other end, and how to listen. Touches sockets and the environment."""

import os
import socket
import struct
from pathlib import Path
from typing import Final

_UCRED: Final = struct.Struct("3i")
_FIRST_PASSED_FD: Final = 3


def peer_uid(sock: socket.socket) -> int:
    """Return the user id of the process at the other end, as the kernel knows it."""
    _pid, uid, _gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return uid


def listening_socket(path: str, *, mode: int) -> socket.socket:
    """Return the socket systemd passed to us, else listen on ``path``.

    Args:
        path: where to listen without socket activation; parents are created.
        mode: permissions of the socket file.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)
        os.set_inheritable(_FIRST_PASSED_FD, False)  # noqa: FBT003  takes no keyword
        return socket.socket(fileno=_FIRST_PASSED_FD)
    return _listen(path, mode)


def _listen(path: str, mode: int) -> socket.socket:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(path)
    finally:
        os.umask(before)
    sock.listen(16)
    return sock
