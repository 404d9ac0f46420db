"""Undo what a fault did to files: put back what a path held, remove what it made, give back mode and owner.

Touches: the paths the step names. Most kinds have a third part beside `capture` and `revert`: the change itself (`CHANGES`),
which the injection has made by the host's own program, so that the revert knows it when it sees it.
"""

from __future__ import annotations

import base64
import grp
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

from failures import Refused
from machine import run

UNIT_DIRECTORIES = ("/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/")
FILE_BYTES_MAX = 1 << 20  # it is kept in the baseline


# what a path holds: a file, a link, or nothing


def _look(path: Path) -> dict:
    if path.is_symlink():
        return {"link": str(path.readlink())}
    if not path.exists():
        return {}
    if not path.is_file():
        raise Refused(f"{path}: neither a file nor a link")
    status = path.stat()
    content = base64.b64encode(path.read_bytes()).decode()
    access = {"mode": status.st_mode & 0o7777, "owner": [status.st_uid, status.st_gid]}
    return {"content": content, "mtime_ns": status.st_mtime_ns, **access}


def _put(path: Path, what: dict) -> None:
    """Let a path hold that, at once; what has no time of its own was changed now."""
    staged = path.with_name(f".{path.name}.orderd-chaos")
    staged.unlink(missing_ok=True)
    if "link" in what:
        staged.symlink_to(what["link"])
    elif "content" in what:
        staged.touch(mode=0o600)  # it may be a key
        staged.write_bytes(base64.b64decode(what["content"]))
        os.chown(staged, *what["owner"])
        staged.chmod(what["mode"])
        if "mtime_ns" in what:
            os.utime(staged, ns=(what["mtime_ns"], what["mtime_ns"]))
    else:
        path.unlink()
        return
    staged.replace(path)


def _tell_systemd(path: Path) -> None:
    if str(path).startswith(UNIT_DIRECTORIES):
        run("systemctl", "daemon-reload")


# path: a file or a link that is all of the fault's own making


def _wrote(step: dict, now: dict) -> bool:
    """Tell whether the path holds exactly what the fault puts there."""
    if step["link"]:
        return now.get("link") == step["link"]
    return now.get("content") == base64.b64encode(step["content"].encode()).decode()


def _capture_path(step: dict) -> object:
    path = Path(step["path"])
    before = _look(path)
    if _wrote(step, before):
        raise Refused(f"{path}: holds what the fault would write already")
    return before | {"made_parent": not path.parent.exists()}


def _change_path(step: dict, before: dict) -> None:
    path = Path(step["path"])
    if before["made_parent"]:
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o755)
    content = base64.b64encode(step["content"].encode()).decode()
    _put(path, {"link": step["link"]} if step["link"] else {"content": content, "mode": 0o644, "owner": [0, 0]})


def _revert_path(step: dict, before: dict, _boot: str) -> str:
    path = Path(step["path"])
    if not _wrote(step, _look(path)):
        return f"{path}: left alone, it is not what the fault wrote"
    _put(path, before)
    if before["made_parent"] and not any(path.parent.iterdir()):
        path.parent.rmdir()
    _tell_systemd(path)
    return f"{path}: restored"


# created: a file of the fault's own making


def _capture_created(step: dict) -> object:
    if os.path.lexists(step["path"]):
        raise Refused(f"{step['path']}: is there already")
    return None


def _revert_created(step: dict, _before: object, _boot: str) -> str:
    Path(step["path"]).unlink(missing_ok=True)
    return f"{step['path']}: removed"


# edited, cut, removed: somebody else's file, changed in a way that follows from what it held


def _edited(step: dict, content: bytes) -> bytes | None:
    if step["old"].encode() not in content:
        raise Refused(f"{step['path']}: does not hold {step['old']!r}")
    return content.replace(step["old"].encode(), step["new"].encode(), 1)


def _cut(step: dict, content: bytes) -> bytes | None:
    end = content.find(step["after"].encode())
    if end < 0:
        raise Refused(f"{step['path']}: does not hold {step['after']!r}")
    return content[: end + len(step["after"].encode())]


def _removed(_step: dict, _content: bytes) -> bytes | None:
    return None


BREAKS: dict[str, Callable[[dict, bytes], bytes | None]] = {"edited": _edited, "cut": _cut, "removed": _removed}


def _broken(step: dict, before: dict) -> dict:
    """Return what the path holds when the fault has changed it, as `_look` does but for access and time."""
    content = BREAKS[step["undo"]](step, base64.b64decode(before["content"]))
    return {} if content is None else {"content": base64.b64encode(content).decode()}


def _capture_file(step: dict) -> object:
    path = Path(step["path"])
    if path.is_symlink() or not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
        raise Refused(f"{path}: no regular file of at most {FILE_BYTES_MAX} bytes")
    before = _look(path)
    if _broken(step, before).get("content") == before["content"]:
        raise Refused(f"{path}: is what the fault would make of it already")
    return before


def _change_file(step: dict, before: dict) -> None:
    path = Path(step["path"])
    if _look(path) != before:
        raise OSError(f"{path}: is not what it was when the revert was armed")
    broken = _broken(step, before)
    _put(path, broken and {"mode": before["mode"], "owner": before["owner"]} | broken)


def _revert_file(step: dict, before: dict, _boot: str) -> str:
    path = Path(step["path"])
    now, broken = _look(path), _broken(step, before)
    if now.get("content") != broken.get("content") or "link" in now:
        return f"{path}: left alone, it is not what the fault made of it"
    # Mode and owner may be somebody's doing since; only a file that is gone has none of its own.
    _put(path, before | {key: now[key] for key in ("mode", "owner") if key in now})
    _tell_systemd(path)
    return f"{path}: restored"


# access: mode and owner of a file or directory


def _access(path: Path) -> dict:
    status = path.lstat()
    return {"mode": f"{stat.S_IMODE(status.st_mode):04o}", "owner": [status.st_uid, status.st_gid]}


def _wanted(step: dict) -> dict:
    """Return the mode or the owner, or both, that the fault sets."""
    found: dict = {"mode": step["mode"]} if step["mode"] else {}
    if step["owner"]:
        user, _, group = step["owner"].partition(":")
        found["owner"] = [pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid]
    return found


def _set_access(path: Path, access: dict) -> None:
    os.chown(path, *access["owner"], follow_symlinks=False)
    path.chmod(int(access["mode"], 8))  # last: a change of owner takes bits away


def _capture_access(step: dict) -> object:
    path = Path(step["path"])
    if path.is_symlink() or not path.exists():
        raise Refused(f"{path}: neither a file nor a directory")
    now = _access(path)
    if now | _wanted(step) == now:
        raise Refused(f"{path}: has the mode and owner that the fault would give it already")
    return now


def _change_access(step: dict, before: dict) -> None:
    _set_access(Path(step["path"]), before | _wanted(step))


def _revert_access(step: dict, before: dict, _boot: str) -> str:
    path = Path(step["path"])
    if path.is_symlink() or not path.exists():
        return f"{path}: left alone, it is gone"
    now, wanted = _access(path), _wanted(step)
    if now | wanted != now:
        return f"{path}: left alone, its mode and owner are not what the fault set"
    _set_access(path, now | {key: before[key] for key in wanted})
    return f"{path}: has its mode and owner again"


KINDS = {
    "path": (_capture_path, _revert_path),
    "created": (_capture_created, _revert_created),
    "edited": (_capture_file, _revert_file),
    "cut": (_capture_file, _revert_file),
    "removed": (_capture_file, _revert_file),
    "access": (_capture_access, _revert_access),
}
CHANGES: dict[str, Callable[[dict, dict], None]] = {
    "path": _change_path,
    "edited": _change_file,
    "cut": _change_file,
    "removed": _change_file,
    "access": _change_access,
}
