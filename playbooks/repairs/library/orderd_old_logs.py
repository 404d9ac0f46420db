#!/usr/bin/python
"""Ansible module: compresses logs that were rotated and left as they were. Touches those files; no line of them is lost.

Only a log that has a successor (app.log.1, app.log-20260101, app.log.old), that nobody has open and nobody wrote of late. The
oldest go first, until enough is free. The original is removed once what was compressed is on the disk and reads the same.
"""

import gzip
import hashlib
import os
import re
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_space import NOT_THE_CASE, free_ratio, identity, open_identities, walk

DOCUMENTATION = """
module: orderd_old_logs
short_description: compress rotated logs of one mount
options:
  mount: {type: str, required: true, description: mount point}
  least_bytes: {type: int, default: 65536, description: smaller logs are not worth it}
  quiet_s: {type: float, default: 60, description: a log written this recently is left alone}
  free_ratio: {type: float, default: 0.3, description: stop when this share of the mount is free}
  deadline_s: {type: float, default: 45, description: stop then at the latest}
"""

ROTATED = re.compile(r".+\.log[.-](?:[0-9]+(?:-[0-9]+)*|old)")
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CHUNK_BYTES = 1 << 20


def rotated_logs(mount, least_bytes, quiet_s):
    """Return (folder, name, identity) of the logs of one file system that may be compressed, the oldest first."""
    used, now, found = open_identities(mount), time.time(), []
    for folder, entries in walk(mount, os.lstat(mount).st_dev):
        for entry, status in entries:
            plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size >= least_bytes
            idle = identity(status) not in used and now - status.st_mtime >= quiet_s
            if plain and idle and ROTATED.fullmatch(entry.name):
                found.append((status.st_mtime, folder, entry.name, identity(status)))
    return [each[1:] for each in sorted(found)]


def compress(folder, name, expected):
    """Put a compressed copy in the place of a log, if it still is the one that was looked at.

    Returns:
        Bytes given back, 0 when it was left alone.
    """
    place = os.open(folder, FOLDER)
    staged, handle = f".{name}.orderd-{os.getpid()}", -1
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        before = os.fstat(handle)
        if identity(before) != expected or _exists(f"{name}.gz", place):
            return 0
        try:
            if not _write(handle, staged, place, before) or _changed(before, name, place):
                return 0
            os.link(staged, f"{name}.gz", src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        finally:
            _unlink(staged, place)
        os.unlink(name, dir_fd=place)
        os.fsync(place)
        return (before.st_blocks - os.stat(f"{name}.gz", dir_fd=place).st_blocks) * 512
    finally:
        if handle >= 0:
            os.close(handle)
        os.close(place)


def _write(source, staged, place, before):
    """Write the compressed copy with the log's own access and time; tell whether it reads the same."""
    target = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)
    with os.fdopen(target, "w+b") as stream:
        digest = hashlib.sha256()
        with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=before.st_mtime) as packed:
            while piece := os.read(source, CHUNK_BYTES):
                digest.update(piece)
                packed.write(piece)
        stream.flush()
        os.fchown(target, before.st_uid, before.st_gid)
        os.fchmod(target, stat.S_IMODE(before.st_mode))
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.fsync(target)
        stream.seek(0)
        return _digest(stream) == digest.digest()


def _digest(stream):
    digest = hashlib.sha256()
    with gzip.GzipFile(fileobj=stream, mode="rb") as packed:
        while piece := packed.read(CHUNK_BYTES):
            digest.update(piece)
    return digest.digest()


def _changed(before, name, place):
    now = os.stat(name, dir_fd=place, follow_symlinks=False)
    return (identity(now), now.st_size, now.st_mtime_ns) != (identity(before), before.st_size, before.st_mtime_ns)


def _exists(name, place):
    try:
        os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unlink(name, place):
    try:
        os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return


def reclaim(params, dry_run):
    """Compress rotated logs until enough is free.

    Returns:
        How many, and how many bytes that gave back.
    """
    count = size = 0
    give_up = time.monotonic() + params["deadline_s"]
    for folder, name, expected in rotated_logs(params["mount"], params["least_bytes"], params["quiet_s"]):
        if free_ratio(params["mount"]) >= params["free_ratio"] or time.monotonic() >= give_up:
            break
        if dry_run:
            count += 1
            continue
        try:
            given_back = compress(folder, name, expected)
        except OSError:  # no room for it, or it went meanwhile: the next one may be smaller
            continue
        count += given_back > 0
        size += given_back
    return count, size


def main():
    """Compress rotated logs."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "str", "required": True},
            "least_bytes": {"type": "int", "default": 1 << 16},
            "quiet_s": {"type": "float", "default": 60.0},
            "free_ratio": {"type": "float", "default": 0.3},
            "deadline_s": {"type": "float", "default": 45.0},
        },
        supports_check_mode=True,
    )
    mount = module.params["mount"]
    if not os.path.ismount(mount):
        module.fail_json(msg=f"{mount} is no mount point")
    try:
        count, size = reclaim(module.params, module.check_mode)
    except OSError as error:
        module.fail_json(msg=str(error))
    nothing = f"{NOT_THE_CASE}no log on {mount} was rotated, is not compressed and can be"
    module.exit_json(changed=count > 0, msg=f"{count} logs compressed: {size} bytes" if count else nothing, count=count)


if __name__ == "__main__":
    main()
