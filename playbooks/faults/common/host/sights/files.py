"""Sights of files, links and file systems. Touches: what they name; statvfs. Reads only."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from pathlib import Path

from sights.look import nothing


def _link(sight: dict, _before: object) -> bool:
    path = Path(sight["path"])
    return path.is_symlink() and str(path.readlink()) == sight["to"]


def _content(sight: dict, _before: object) -> bool:
    try:
        return Path(sight["path"]).read_text(encoding="utf-8", errors="replace") == sight["content"]
    except OSError:
        return False


def _digest(sight: dict) -> object:
    return hashlib.sha256(Path(sight["path"]).read_bytes()).hexdigest()


def _differs(sight: dict, before: str) -> bool:
    try:
        return _digest(sight) != before
    except FileNotFoundError:
        return True


def _absent(sight: dict, _before: object) -> bool:
    return not os.path.lexists(sight["path"])


def _access(sight: dict, _before: object) -> bool:
    try:
        status = Path(sight["path"]).lstat()
    except OSError:
        return False
    owner = f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
    return f"{stat.S_IMODE(status.st_mode):04o}" == sight["mode"] and owner == sight["owner"]


def _mount_used(sight: dict, _before: object) -> bool:
    volume = os.statvfs(sight["path"])
    used = volume.f_blocks - volume.f_bfree
    return used / (used + volume.f_bavail) >= sight["at_least_ratio"]


def _file_at_least(sight: dict, _before: object) -> bool:
    try:
        return Path(sight["path"]).stat().st_size >= sight["at_least_bytes"]
    except OSError:
        return False


KINDS = {
    "link": (nothing, _link),
    "content": (nothing, _content),
    "differs": (_digest, _differs),
    "absent": (nothing, _absent),
    "access": (nothing, _access),
    "mount_used": (nothing, _mount_used),
    "file_at_least": (nothing, _file_at_least),
}
