#!/usr/bin/python
"""Ansible module: gives a full mount its space back from logs that are being written. Touches *.log files and their writers.

Only a log with a writer, or one written in the last minute, is a cause; an old log is somebody's archive. The largest go first,
until enough is free. A writer that belongs to no protected unit is stopped, else it would fill the mount again at once. Of every
log the last part is kept, in place: on a full disk nothing can be written anywhere else.
"""

import os
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_process import ProcessRefusedError, check_may_be_stopped, start_ticks, stop
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_log_space
short_description: reclaim space from growing logs of one mount
options:
  mount: {type: str, required: true, description: mount point}
  keep_bytes: {type: int, default: 1048576, description: how much of the end of a log is kept}
  free_ratio: {type: float, default: 0.3, description: stop when this share of the mount is free}
  recent_s: {type: float, default: 60, description: a log written this recently counts as growing}
  protected_units: {type: list, elements: str, default: [], description: units whose processes are not stopped}
"""

ENTRIES_MAX = 500000
LOGS_MAX = 16
GRACE_S = 0.5
WRITE_MODES = (os.O_WRONLY, os.O_RDWR)


def free_ratio(mount):
    """Return the share of a mount that is free to users."""
    status = os.statvfs(mount)
    return status.f_bavail / max(1, status.f_blocks - status.f_bfree + status.f_bavail)


def largest_logs(mount):
    """Return (bytes on disk, path) of the largest *.log files of one file system, largest first; never follows links."""
    device = os.lstat(mount).st_dev
    found, folders, seen = [], [mount], 0
    while folders and seen < ENTRIES_MAX:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        seen += len(entries)
        for entry in entries:
            _sort_entry(entry, device, found, folders)
    return sorted(found, reverse=True)[:LOGS_MAX]


def _sort_entry(entry, device, logs, folders):
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return
    if status.st_dev != device:
        return
    if stat.S_ISDIR(status.st_mode):
        folders.append(entry.path)
    elif stat.S_ISREG(status.st_mode) and entry.name.endswith(".log"):
        logs.append((status.st_blocks * 512, entry.path))


def writers(paths):
    """Return path -> set of pids that have it open for writing."""
    wanted = {_identity(status): path for path, status in _there(paths)}
    found = {path: set() for path in wanted.values()}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for path in _open_for_writing(int(pid), wanted):
            found[path].add(int(pid))
    return found


def _there(paths):
    """Yield path and status of those that are still there: logs are rotated at any moment."""
    for path in paths:
        try:
            yield path, os.lstat(path)
        except OSError:
            continue


def _open_for_writing(pid, wanted):
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return
    for descriptor in descriptors:
        try:
            path = wanted.get(_identity(os.stat(os.path.join(folder, descriptor))))
            if path is not None and _flags(pid, descriptor) & os.O_ACCMODE in WRITE_MODES:
                yield path
        except OSError:
            continue


def _identity(status):
    return status.st_dev, status.st_ino


def _flags(pid, descriptor):
    with open(f"/proc/{pid}/fdinfo/{descriptor}") as stream:
        line = next(line for line in stream if line.startswith("flags:"))
    return int(line.split()[1], 8)


def stop_writers(pids, protected_units):
    """Stop the writers that may be stopped.

    Returns:
        What was done to which process.
    """
    done = []
    for pid in sorted(pids):
        ticks = start_ticks(pid)
        try:
            check_may_be_stopped(pid, protected_units)
            if ticks is not None:
                done.append(f"process {pid} {stop(pid, ticks, protected_units, GRACE_S)}")
        except ProcessRefusedError as refusal:
            done.append(f"left alone: {refusal}")
    return done


def keep_end(path, keep_bytes, device):
    """Cut a log to its last part, in place: its blocks are written over, so that no new one is needed.

    Whoever owns a folder above may put a link in its place at any moment: what lies on another file system is not touched.

    Returns:
        Bytes given back.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_dev != device or not stat.S_ISREG(status.st_mode):
            return 0
        size = status.st_size
        end = os.pread(descriptor, keep_bytes, max(0, size - keep_bytes))
        os.pwrite(descriptor, end, 0)
        os.ftruncate(descriptor, len(end))
        return size - len(end)
    finally:
        os.close(descriptor)


def growing(logs, recent_s):
    """Return (path, pids) of the logs that are being written, largest first; those that nobody wrote to of late come last."""
    writing = writers([path for _size, path in logs])
    now = time.time()
    recent = {path for path, status in _there(writing) if abs(now - status.st_mtime) <= recent_s}
    # A full disk stops the writing too, so that an open log counts; but a log that merely stays open is not the first suspect.
    return sorted(
        ((path, pids) for path, pids in writing.items() if pids or path in recent), key=lambda each: each[0] not in recent
    )


def reclaim(params, dry_run):
    """Give space back until enough is free.

    Returns:
        What was done, in words.
    """
    logs = [(size, path) for size, path in largest_logs(params["mount"]) if size > 2 * params["keep_bytes"]]
    device = os.lstat(params["mount"]).st_dev
    done = []
    for path, pids in growing(logs, params["recent_s"]):
        if free_ratio(params["mount"]) >= params["free_ratio"]:
            break
        if dry_run:
            done.append(f"would cut {path}")
            continue
        done += stop_writers(pids, params["protected_units"])
        done.append(f"cut {path} by {keep_end(path, params['keep_bytes'], device)} bytes")
    return done


def main():
    """Reclaim space, or say that no log may be cut."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "str", "required": True},
            "keep_bytes": {"type": "int", "default": 1 << 20},
            "free_ratio": {"type": "float", "default": 0.3},
            "recent_s": {"type": "float", "default": 60.0},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    mount = module.params["mount"]
    if not os.path.ismount(mount):
        module.fail_json(msg=f"{mount} is no mount point")
    done = reclaim(module.params, module.check_mode)
    if not done and free_ratio(mount) < module.params["free_ratio"]:
        module.exit_json(changed=False, msg=f"{NOT_THE_CASE}{mount} is full, but no log on it is being written", done=done)
    module.exit_json(changed=bool(done), msg="; ".join(done) or f"{mount} has enough space", done=done)


if __name__ == "__main__":
    main()
