"""What lies on one file system, who has it open, and how much is free. Reads the disk and /proc.

Shared by the modules of repairs. Standard library only: it runs inside Ansible modules.
"""

import os
import stat

NOT_THE_CASE = "not the case: "
ENTRIES_MAX = 500000


def free_ratio(mount):
    """Return the share of a mount that is free to users."""
    status = os.statvfs(mount)
    return status.f_bavail / max(1, status.f_blocks - status.f_bfree + status.f_bavail)


def free_inodes_ratio(mount):
    """Return the share of a mount's inodes that is free; 1 where the file system counts none."""
    status = os.statvfs(mount)
    return status.f_favail / status.f_files if status.f_files else 1.0


def identity(status):
    """Return what tells a file from all others."""
    return status.st_dev, status.st_ino


def walk(folder, device):
    """Yield folder and its entries with their status, for every folder of one file system below one; never follows links."""
    folders, seen = [folder], 0
    while folders and seen < ENTRIES_MAX:
        current = folders.pop()
        entries = [(entry, status) for entry, status in _entries(current) if status.st_dev == device]
        seen += len(entries)
        folders += [entry.path for entry, status in entries if stat.S_ISDIR(status.st_mode)]
        yield current, entries


def _entries(folder):
    try:
        found = list(os.scandir(folder))
    except OSError:
        return
    for entry in found:
        try:
            yield entry, entry.stat(follow_symlinks=False)
        except OSError:
            continue


def open_files():
    """Yield (pid, descriptor, status) of everything that processes have open, and (pid, None, status) of what they work in."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        folder = f"/proc/{pid}/fd"
        try:
            descriptors = os.listdir(folder)
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                yield int(pid), descriptor, os.stat(f"{folder}/{descriptor}")
            except OSError:
                continue
        for place in ("cwd", "root"):
            try:
                yield int(pid), None, os.stat(f"/proc/{pid}/{place}")
            except OSError:
                continue


def open_identities(device):
    """Return the identities of everything on one file system that a process has open or mapped in."""
    return {identity(status) for _pid, _descriptor, status in open_files() if status.st_dev == device}


def flags(pid, descriptor):
    """Return the flags a descriptor was opened with."""
    with open(f"/proc/{pid}/fdinfo/{descriptor}") as stream:
        line = next(line for line in stream if line.startswith("flags:"))
    return int(line.split()[1], 8)
