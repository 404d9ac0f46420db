"""The public socket: made with the right mode from its first moment, never taken from a daemon that lives. Touches its folder."""

import errno
import os
import shutil
import socket
import stat
from pathlib import Path
from typing import Final

from orderd.errors import ConfigError

_MODE_MASK: Final = 0o117
"""Leaves 0660: the owner and the group."""


def _refuse(path: Path, remedy: str) -> ConfigError:
    return ConfigError(file="orderd.toml", key="rpc.socket", value=str(path), allowed=remedy)


def _remove_stale(path: Path) -> None:
    """Remove what an orderd that is gone left behind.

    Raises:
        ConfigError: a living program answers there, or it is no socket.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _refuse(path, "something that is no socket is there: move it away, or choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink(missing_ok=True)
            return
    raise _refuse(path, "another orderd serves there: stop it first (systemctl stop orderd), or choose another path")


def bind(path: Path) -> socket.socket:
    """Return a socket bound to a path, readable and writable by its user and group only.

    Raises:
        ConfigError: it cannot be bound; the message says what to do.
    """
    if not path.parent.is_dir():
        raise _refuse(path, f"the folder {path.parent} has to exist: orderd.service makes it (RuntimeDirectory=)")
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    mask = os.umask(_MODE_MASK)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise _refuse(path, f"cannot be bound ({error.strerror}): give its folder to the user orderd runs as") from error
    finally:
        os.umask(mask)
    return listener


def private_folder(path: Path) -> Path:
    """Return a fresh folder beside a socket that only this user can enter.

    Raises:
        ConfigError: it cannot be made.
    """
    folder = path.with_name(f".{path.name}.d")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise _refuse(path, f"{folder} cannot be made ({error.strerror}): give its folder to the user orderd runs as") from error
    return folder
