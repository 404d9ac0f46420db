#!/usr/bin/python
"""Ansible module: makes a service's own files those of the known-good record, and takes that back. Touches those files.

The record says which files they are; nothing else is ever touched. Every state changes one thing only: ``content`` what differs,
``missing`` what is gone, ``access`` mode and owner, ``unit_file`` the unit's own file. What is replaced is kept in quarantine;
the undo puts it back only where the record's copy is still in place.
"""

import json
import os
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_service_files
short_description: restore the files of a service, or take that back
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
  what: {type: str, choices: [content, missing, access, unit_file], required: true, description: what is restored}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

INDEX = "index.json"
ACCESS = "access.json"


class Record:
    """What is known to be good of one service."""

    def __init__(self, known_good, unit):
        """Read it.

        Raises:
            RecordRefusedError: the unit has no record, or it cannot be trusted.
        """
        self.folder = os.path.join(known_good, "files", unit)
        check_trusted(os.path.join(self.folder, INDEX))
        with open(os.path.join(self.folder, INDEX)) as stream:
            index = json.load(stream)
        self.unit_file, self.files, self.folders = index["unit_file"], index["files"], index["folders"]

    def wanted(self, what):
        """Return path -> entry of the files that a state is about."""
        return {path: entry for path, entry in self.files.items() if (path == self.unit_file) == (what == "unit_file")}

    def content(self, path):
        """Return the recorded bytes of a file."""
        copy = os.path.join(self.folder, self.files[path]["copy"])
        check_trusted(copy)
        with open(copy, "rb") as stream:
            return stream.read()


def content_of(path):
    """Return the bytes of a file; None when there is none, or something else in its place."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as stream:
        return stream.read() if stat.S_ISREG(os.fstat(handle).st_mode) else None


def put(path, content, entry):
    """Put a file in place, at once, with its recorded mode and owner; its folder has to be there, and no link."""
    folder, name = os.path.split(path)
    if os.path.realpath(folder) != folder:
        raise RecordRefusedError(f"{folder} is reached over a link that was not there when it was recorded: a person has to look")
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    staged = f".{name}.orderd-{os.getpid()}"
    try:
        handle = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fchown(handle, entry["uid"], entry["gid"])
                os.fchmod(handle, entry["mode"])
                os.fsync(handle)
            os.replace(staged, name, src_dir_fd=place, dst_dir_fd=place)
        except OSError:
            os.unlink(staged, dir_fd=place)
            raise
    finally:
        os.close(place)


def differing(record, what):
    """Return the paths whose content is not as recorded, or which are gone, as the state asks."""
    paths = [path for path in sorted(record.wanted(what)) if content_of(path) != record.content(path)]
    return [path for path in paths if not os.path.lexists(path)] if what == "missing" else paths


def check_replaceable(path):
    """Refuse to replace what is no file: a link may be a mask, or somebody's wish.

    Raises:
        RecordRefusedError: it is something else.
    """
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise RecordRefusedError(f"{path} is no regular file: a person has to look")


def restore_files(params, record, dry_run):
    """Put recorded files in the place of those that differ, or are gone.

    Returns:
        Their paths.
    """
    paths = differing(record, params["what"])
    for path in paths:
        check_replaceable(path)
    for path in [] if dry_run else paths:
        make_quarantine(params["quarantine"])
        if os.path.lexists(path):
            kept = os.path.join(params["quarantine"], path.lstrip("/"))
            os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
            shutil.copy2(path, kept, follow_symlinks=False)
            status = os.lstat(path)
            os.chown(kept, status.st_uid, status.st_gid, follow_symlinks=False)
        put(path, record.content(path), record.files[path])
    return paths


def access_of(path):
    """Return mode and owner; None when there is nothing, or a link."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return None
    return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}


def recorded_access(record):
    """Return path -> recorded access of a service's files and of the folders around them."""
    entries = {**record.folders, **record.wanted("access")}
    return {path: {key: entry[key] for key in ("mode", "uid", "gid")} for path, entry in entries.items()}


def set_access(path, access):
    """Set mode and owner, through a descriptor that follows no link; a file with a second name may be anybody's."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if stat.S_ISREG(status.st_mode) and status.st_nlink != 1:
            raise RecordRefusedError(f"{path} has {status.st_nlink} names: a person has to look")
        os.fchown(handle, access["uid"], access["gid"])
        os.fchmod(handle, access["mode"])
    finally:
        os.close(handle)


def restore_access(params, record, dry_run):
    """Give files and their folders the recorded mode and owner.

    Returns:
        Their paths.
    """
    wanted = recorded_access(record)
    before = {path: access_of(path) for path in sorted(wanted)}
    wrong = {path: access for path, access in before.items() if access is not None and access != wanted[path]}
    if wrong and not dry_run:
        make_quarantine(params["quarantine"])
        with open(os.path.join(params["quarantine"], ACCESS), "w") as stream:
            json.dump(wrong, stream)
        for path in wrong:
            set_access(path, wanted[path])
    return list(wrong)


def return_files(params, record, dry_run):
    """Put back what this repair had replaced, where the record's copy is still in place.

    Returns:
        The paths given back.
    """
    returned = []
    for path in sorted(record.wanted(params["what"])):
        kept = os.path.join(params["quarantine"], path.lstrip("/"))
        if not os.path.lexists(kept) or content_of(path) != record.content(path):
            continue
        check_trusted(os.path.dirname(kept))
        returned.append(path)
        if not dry_run:
            status = os.lstat(kept)
            access = {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
            put(path, content_of(kept) or b"", access)
    return returned


def return_access(params, record, dry_run):
    """Give files the mode and owner back that they had, where they still have the recorded ones.

    Returns:
        The paths given back.
    """
    kept = os.path.join(params["quarantine"], ACCESS)
    if not os.path.lexists(kept):
        return []
    check_trusted(kept)
    with open(kept) as stream:
        before = json.load(stream)
    wanted = recorded_access(record)
    returned = [path for path in sorted(before) if path in wanted and access_of(path) == wanted[path]]
    for path in [] if dry_run else returned:
        set_access(path, before[path])
    return returned


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "what": {"type": "str", "choices": ["content", "missing", "access", "unit_file"], "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    params, access = module.params, module.params["what"] == "access"
    if params["state"] == "restored":
        act = restore_access if access else restore_files
    else:
        act = return_access if access else return_files
    try:
        paths = act(params, Record(params["known_good"], params["unit"]), module.check_mode)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    nothing = "{}the files of {} are as recorded".format(NOT_THE_CASE, params["unit"])
    module.exit_json(changed=bool(paths), msg=", ".join(paths) or nothing, paths=paths)


if __name__ == "__main__":
    main()
