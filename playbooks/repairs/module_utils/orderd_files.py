"""How a repair puts a recorded file in place and what it replaces aside. Touches the paths it is given, follows no link.

Shared by the modules of repairs. Standard library only: it runs inside Ansible modules.
"""

import json
import os
import shutil
import stat

from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine

INDEX = "index.json"
ACCESS_KEYS = ("mode", "uid", "gid")


class Copies:
    """Files that are known to be good, and what they and the folders around them allow to whom."""

    def __init__(self, folder):
        """Read their index.

        Raises:
            RecordRefusedError: there is none, or it cannot be trusted.
        """
        self.folder = folder
        check_trusted(os.path.join(folder, INDEX))
        with open(os.path.join(folder, INDEX)) as stream:
            self.index = json.load(stream)
        self.files, self.folders = self.index["files"], self.index["folders"]

    def content(self, path):
        """Return the recorded bytes of a file."""
        copy = os.path.join(self.folder, self.files[path]["copy"])
        check_trusted(copy)
        with open(copy, "rb") as stream:
            return stream.read()

    def access(self, path):
        """Return the recorded mode and owner of a file or a folder."""
        entry = self.files.get(path) or self.folders[path]
        return {key: entry[key] for key in ACCESS_KEYS}


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


def check_replaceable(path):
    """Refuse to replace what is no file: a link may be a mask, or somebody's wish.

    Raises:
        RecordRefusedError: it is something else.
    """
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise RecordRefusedError(f"{path} is no regular file: a person has to look")


def access_of(path):
    """Return mode and owner; None when there is nothing, or a link."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return None
    return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}


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


def in_quarantine(quarantine, path):
    """Return where a path lies in quarantine: under its whole name, so that it can go back to where it was."""
    return os.path.join(quarantine, path.lstrip("/"))


def keep(quarantine, path):
    """Keep a copy of what is about to be replaced, with its mode and owner; nothing where there is nothing."""
    make_quarantine(quarantine)
    if os.path.lexists(path):
        kept = in_quarantine(quarantine, path)
        os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
        shutil.copy2(path, kept, follow_symlinks=False)
        status = os.lstat(path)
        os.chown(kept, status.st_uid, status.st_gid, follow_symlinks=False)


def move_away(quarantine, path):
    """Take a file, or a link, out of its place."""
    keep(quarantine, path)
    os.unlink(path)


def give_back(quarantine, path, ours=None, *, dry_run=False):
    """Put a kept file, or link, back where it was, while what this repair left there is still there.

    Args:
        quarantine: folder of the repair.
        path: where it was.
        ours: what the repair had put in its place; None when it had left nothing.
        dry_run: only say whether it may.

    Returns:
        Whether it may go back, and has.
    """
    kept = in_quarantine(quarantine, path)
    untouched = content_of(path) == ours if ours is not None else not os.path.lexists(path)
    if not os.path.lexists(kept) or not untouched:
        return False
    check_trusted(os.path.dirname(kept))
    if not dry_run and os.path.islink(kept):
        os.symlink(os.readlink(kept), path)
    elif not dry_run:
        put(path, content_of(kept) or b"", access_of(kept))
    return True
