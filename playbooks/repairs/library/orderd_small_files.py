#!/usr/bin/python
"""Ansible module: packs the small files that fill a mount into archives, and puts them back. Touches those files and their maker.

The folder with most of the small files of the last hours on that mount is the cause, when it holds enough of them to matter.
Files that somebody has open, and everything of a protected unit (what its users own, what lies below a folder that it has files
open in), are no part of it. The oldest go first, into archives in the quarantine of this repair, until enough is free; whoever is
seen to go on making files there is stopped. When that may not be stopped nothing more is done: it would be for nothing.
"""

import itertools
import json
import os
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_archive import pack, remove, unpack
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_process import ProcessRefusedError, stop, units_of
from ansible.module_utils.orderd_space import (
    NOT_THE_CASE,
    free_inodes_ratio,
    free_ratio,
    identity,
    open_files,
    open_identities,
    walk,
)
from ansible.module_utils.orderd_writers import Watch

DOCUMENTATION = """
module: orderd_small_files
short_description: archive the small files that fill a mount, or take that back
options:
  mount: {type: str, required: true, description: mount point}
  quarantine: {type: str, required: true, description: folder of this repair for the archives}
  state: {type: str, choices: [archived, quarantine_returned], default: archived, description: which way}
  small_bytes: {type: int, default: 1048576, description: larger files are left alone}
  recent_s: {type: float, default: 21600, description: older files are left alone}
  least: {type: int, default: 200, description: fewer files are no cause}
  share: {type: float, default: 0.1, description: nor are files that hold less than this share of the mount's space and inodes}
  free_ratio: {type: float, default: 0.3, description: stop when this share of space and inodes is free}
  room_ratio: {type: float, default: 0.2, description: share that stays free where the archives are}
  deadline_s: {type: float, default: 40, description: stop then at the latest}
  protected_units: {type: list, elements: str, default: [], description: units whose files and processes are left alone}
"""

FIRST_FILES, FIRST_BYTES = 500, 8 << 20
BATCH_FILES, BATCH_BYTES = 4000, 32 << 20
HEADER_BYTES = 1024
GRACE_S = 0.5
MAKER_WITHIN_S = 1.5  # whoever fails for want of room tries again about once a second
ARCHIVE = "files-{:04d}.tar.gz"
BEFORE = "free-before.json"


class NotTheCaseError(Exception):
    """Small files are not what fills this mount."""


class Files:
    """The small files of one mount that are nobody's in particular."""

    def __init__(self, params):
        """Look for them."""
        self.mount = params["mount"].rstrip("/") or "/"
        self._params = params
        self._now = time.time()
        self._uids, self._folders, self._used = in_use(self.mount, params["protected_units"])
        self._there = {}
        for folder, entries in walk(self.mount, os.lstat(self.mount).st_dev):
            self._folders |= {entry.path for entry, status in entries if status.st_uid in self._uids}
            found = [] if self._is_protected(folder) else [(e.name, s) for e, s in entries if self._is_small(s)]
            if found:
                bytes_ = sum(status.st_blocks * 512 for _name, status in found)
                self._there[folder] = len(found), bytes_, [(status.st_mtime, name) for name, status in found]

    def _is_small(self, status):
        recent = 0 <= self._now - status.st_ctime + 1 <= self._params["recent_s"]
        small = stat.S_ISREG(status.st_mode) and status.st_size <= self._params["small_bytes"] and status.st_nlink == 1
        return small and recent and status.st_uid not in self._uids and identity(status) not in self._used

    def _is_protected(self, folder):
        return any(each in self._folders for each in _above(folder, self.mount))

    def cause(self):
        """Return the folder that at least half of them, and enough, lie below, the deepest there is.

        Raises:
            NotTheCaseError: there is none, or they are too few to matter.
        """
        counts, sizes = {}, {}
        for folder, (count, bytes_, _names) in self._there.items():
            for above in _above(folder, self.mount):
                counts[above] = counts.get(above, 0) + count
                sizes[above] = sizes.get(above, 0) + bytes_
        enough = max(self._params["least"], sum(each[0] for each in self._there.values()) / 2)
        found = max((folder for folder, count in counts.items() if count >= enough), key=len, default="")
        if not found:
            raise NotTheCaseError(f"no folder of {self.mount} holds most of its small new files, and enough of them")
        volume = os.statvfs(self.mount)
        share = max(sizes[found] / (volume.f_blocks * volume.f_frsize), counts[found] / volume.f_files if volume.f_files else 0)
        if share < self._params["share"]:
            raise NotTheCaseError(f"{counts[found]} small new files below {found} are not what fills {self.mount}")
        return found

    def below(self, top):
        """Return the names, relative to the mount, of those below a folder, the oldest first."""
        found = [
            (at, os.path.relpath(os.path.join(folder, name), self.mount))
            for folder, (_count, _bytes, names) in self._there.items()
            if f"{folder}/".startswith(f"{top}/")
            for at, name in names
        ]
        return [name for _at, name in sorted(found)]


def _above(folder, mount):
    """Yield a folder and those above it, the mount's own top left out: it is never what was made by somebody."""
    while folder != mount and len(folder) > len(mount):
        yield folder
        folder = os.path.dirname(folder)


def in_use(mount, protected_units):
    """Return the users of protected units but root, the folders that they have files open in, and what anybody has open.

    A file open at the mount's own top says nothing of the folders beside it.
    """
    uids = set(_users_of(protected_units)) - {0}
    folders, used = set(), set()
    for pid, descriptor, status in open_files(mount):
        used.add(identity(status))
        if not protected_units or not set(units_of(pid)) & set(protected_units):
            continue
        try:
            path = os.readlink(f"/proc/{pid}/fd/{descriptor}" if descriptor is not None else f"/proc/{pid}/cwd")
        except OSError:
            continue
        folders.add(path if stat.S_ISDIR(status.st_mode) else os.path.dirname(path))
    return uids, folders - {mount}, used


def _users_of(units):
    """Yield the users that processes of some units run as."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if set(units) & set(units_of(int(pid))):
                with open(f"/proc/{pid}/status") as stream:
                    yield from map(int, next(line for line in stream if line.startswith("Uid:")).split()[1:])
        except (OSError, StopIteration):  # it has ended
            continue


class Archiving:
    """One run: batches of files go into archives until enough is free."""

    def __init__(self, params, files, top):
        """Prepare; nothing is touched yet."""
        self._params, self._mount = params, files.mount
        self._names = iter(files.below(top))
        self._give_up = time.monotonic() + params["deadline_s"]
        self._archives = itertools.count()
        self.count, self.done = 0, []

    def run(self, watch):
        """Archive until enough is free, and stays free."""
        while time.monotonic() < self._give_up:
            if is_enough(self._params) and self._stop(watch.makers(MAKER_WITHIN_S)) and is_enough(self._params):
                return
            first, names = not self.count, self._next_names()
            if not names:
                return
            archive = os.path.join(self._params["quarantine"], ARCHIVE.format(next(self._archives)))
            stamps = pack(self._mount, names, archive)
            self.count += remove(self._mount, stamps, open_identities(self._mount))
            if not self._stop(watch.makers(MAKER_WITHIN_S if first else 0.0)):
                return

    def _next_names(self):
        """Return the names for the next archive, few at first: whoever goes on making files is to be found soon.

        Raises:
            NotTheCaseError: there is no room for an archive.
        """
        volume, where = os.statvfs(self._params["quarantine"]), self._params["quarantine"]
        room = volume.f_frsize * (volume.f_bavail - self._params["room_ratio"] * volume.f_blocks)
        files_max, bytes_max = (BATCH_FILES, BATCH_BYTES) if self.count else (FIRST_FILES, FIRST_BYTES)
        taken, size = [], 0
        for name in self._names:
            try:
                size += os.lstat(os.path.join(self._mount, name)).st_size + HEADER_BYTES
            except OSError:  # somebody else has removed it
                continue
            taken.append(name)
            if len(taken) >= files_max or size >= bytes_max:
                break
        if size > room:
            raise NotTheCaseError(f"there is no room for an archive in {where}")
        return taken

    def _stop(self, makers):
        """Stop who makes files; tell whether nobody is left who may not be stopped."""
        for pid, ticks in makers:
            try:
                outcome = stop(pid, ticks, self._params["protected_units"], GRACE_S)
            except ProcessRefusedError as refusal:
                self.done.append(f"{refusal}, and goes on making files: it is left alone")
                return False
            if outcome != "gone":
                self.done.append(f"process {pid}, which went on making files, {outcome}")
        return True


def is_enough(params):
    """Tell whether enough space and inodes are free."""
    mount, enough = params["mount"], params["free_ratio"]
    return free_ratio(mount) >= enough and free_inodes_ratio(mount) >= enough


def archive(params, dry_run):
    """Archive small files until enough is free.

    Returns:
        How many, and what was done beside, in words.
    """
    if is_enough(params):
        return 0, ["{} has enough space".format(params["mount"])]
    files = Files(params)
    top = files.cause()
    if dry_run:
        return 1, [f"would archive files below {top}"]
    make_quarantine(params["quarantine"])
    with open(os.path.join(params["quarantine"], BEFORE), "w") as stream:
        json.dump([free_ratio(params["mount"]), free_inodes_ratio(params["mount"])], stream)
    run = Archiving(params, files, top)
    with Watch(top) as watch:
        try:
            run.run(watch)
        except NotTheCaseError as error:
            if not run.count:
                raise
            run.done.append(str(error))
    return run.count, [f"{run.count} files below {top} went into archives", *run.done]


def give_back(params, dry_run):
    """Put archived files back, until the mount is as full as it was; what has no room stays in the archives.

    Returns:
        How many, and what was done, in words.
    """
    note = os.path.join(params["quarantine"], BEFORE)
    if not os.path.lexists(note):
        return 0, ["nothing was archived"]
    check_trusted(note)
    with open(note) as stream:
        space, inodes = (min(each, params["free_ratio"]) for each in json.load(stream))  # where there was enough, enough is fine
    mount = params["mount"].rstrip("/") or "/"

    def has_room():
        return free_ratio(mount) >= space and free_inodes_ratio(mount) >= inodes

    archives = sorted(name for name in os.listdir(params["quarantine"]) if name.endswith(".tar.gz"))
    count = sum(unpack(mount, os.path.join(params["quarantine"], name), has_room, dry_run=dry_run) for name in archives)
    words = [f"{count} files were put back"]
    return count, words if has_room() else [*words, "for others there is no room: they stay in the archives"]


def main():
    """Archive, or put back."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["archived", "quarantine_returned"], "default": "archived"},
            "small_bytes": {"type": "int", "default": 1 << 20},
            "recent_s": {"type": "float", "default": 21600.0},
            "least": {"type": "int", "default": 200},
            "share": {"type": "float", "default": 0.1},
            "free_ratio": {"type": "float", "default": 0.3},
            "room_ratio": {"type": "float", "default": 0.2},
            "deadline_s": {"type": "float", "default": 40.0},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not os.path.ismount(params["mount"]):
        module.fail_json(msg="{} is no mount point".format(params["mount"]))
    try:
        count, words = (archive if params["state"] == "archived" else give_back)(params, module.check_mode)
    except NotTheCaseError as error:
        module.exit_json(changed=False, msg=f"{NOT_THE_CASE}{error}", count=0)
    except (RecordRefusedError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=count > 0, msg="; ".join(words), count=count)


if __name__ == "__main__":
    main()
