"""Undo what a fault wrote to files: put back what a path held, remove what it made. Touches: the paths the step names."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from failures import Refused
from machine import run

UNIT_DIRECTORIES = ("/etc/systemd/system/", "/run/systemd/system/")


# path: what a path holds: a file, a link, or nothing


def _look(path: Path) -> dict:
    if path.is_symlink():
        return {"link": str(path.readlink())}
    if not path.exists():
        return {}
    if not path.is_file():
        raise Refused(f"{path}: neither a file nor a link")
    status = path.stat()
    content = base64.b64encode(path.read_bytes()).decode()
    return {"content": content, "mode": status.st_mode & 0o7777, "owner": [status.st_uid, status.st_gid]}


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


def _revert_path(step: dict, before: dict, _boot: str) -> str:
    path = Path(step["path"])
    if not _wrote(step, _look(path)):
        return f"{path}: left alone, it is not what the fault wrote"
    _put_back(path, before)
    if before["made_parent"] and not any(path.parent.iterdir()):
        path.parent.rmdir()
    if step["path"].startswith(UNIT_DIRECTORIES):
        run("systemctl", "daemon-reload")
    return f"{path}: restored"


def _put_back(path: Path, before: dict) -> None:
    staged = path.with_name(f".{path.name}.orderd-chaos")
    staged.unlink(missing_ok=True)
    if "link" in before:
        staged.symlink_to(before["link"])
    elif "content" in before:
        staged.write_bytes(base64.b64decode(before["content"]))
        staged.chmod(before["mode"])
        os.chown(staged, *before["owner"])
    else:
        path.unlink()
        return
    staged.replace(path)


# created: a file of the fault's own making


def _capture_created(step: dict) -> object:
    if os.path.lexists(step["path"]):
        raise Refused(f"{step['path']}: is there already")
    return None


def _revert_created(step: dict, _before: object, _boot: str) -> str:
    Path(step["path"]).unlink(missing_ok=True)
    return f"{step['path']}: removed"


KINDS = {
    "path": (_capture_path, _revert_path),
    "created": (_capture_created, _revert_created),
}
