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


def open_files(mount):
    """Yield (pid, descriptor, status) of what processes have open below a mount point; no descriptor for where they work.

    Names are looked at first: whoever asks about a file on another mount that hangs does not come back.
    """
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for descriptor, place in [*((each, f"fd/{each}") for each in descriptors), (None, "cwd"), (None, "root")]:
            try:
                if f"{os.readlink(f'/proc/{pid}/{place}')}/".startswith(f"{mount.rstrip('/')}/"):
                    yield int(pid), descriptor, os.stat(f"/proc/{pid}/{place}")
            except OSError:
                continue


def open_identities(mount):
    """Return the identities of everything below a mount point that a process has open or works in."""
    return {identity(status) for _pid, _descriptor, status in open_files(mount)}


def flags(pid, descriptor):
    """Return the flags a descriptor was opened with."""
    with open(f"/proc/{pid}/fdinfo/{descriptor}") as stream:
        line = next(line for line in stream if line.startswith("flags:"))
    return int(line.split()[1], 8)
