#!/usr/bin/python
"""Ansible module: gives a full mount back what deleted files hold that are still open. Touches those files, or their processes.

A deleted file has no name any more; its space comes back when the last process closes it. Only files that are open for writing by
processes outside every protected unit count: a database deletes its own scratch files while it uses them. ``truncated`` empties
the files and leaves the processes; ``writers_stopped`` stops the processes, which is what helps when one goes on writing.
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_process import ProcessRefusedError, check_may_be_stopped, start_ticks, stop
from ansible.module_utils.orderd_space import NOT_THE_CASE, flags, free_ratio, open_files

DOCUMENTATION = """
module: orderd_deleted_files
short_description: reclaim the space of files that were deleted and are still open
options:
  mount: {type: str, required: true, description: mount point}
  state: {type: str, choices: [truncated, writers_stopped], default: truncated, description: what is done about them}
  least_bytes: {type: int, default: 1048576, description: smaller files are left alone}
  free_ratio: {type: float, default: 0.3, description: stop when this share of the mount is free}
  protected_units: {type: list, elements: str, default: [], description: units whose processes are left alone}
"""

GRACE_S = 0.5
WRITE_MODES = (os.O_WRONLY, os.O_RDWR)


def deleted(mount, least_bytes):
    """Return (bytes on disk, pid, descriptor) of the deleted files of a mount that are open for writing, largest first."""
    device = os.lstat(mount).st_dev
    found = [
        (status.st_blocks * 512, pid, descriptor)
        for pid, descriptor, status in open_files(mount)
        if descriptor is not None
        and status.st_dev == device
        and stat.S_ISREG(status.st_mode)
        and status.st_nlink == 0
        and status.st_blocks * 512 >= least_bytes
        and _writes(pid, descriptor)
    ]
    return sorted(found, reverse=True)


def _writes(pid, descriptor):
    try:
        return flags(pid, descriptor) & os.O_ACCMODE in WRITE_MODES
    except (OSError, StopIteration):
        return False


def empty(pid, descriptor, device):
    """Empty one deleted file, in place; only if it still is one: numbers of descriptors are used again.

    Returns:
        Bytes given back.
    """
    handle = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if status.st_dev != device or status.st_nlink or not stat.S_ISREG(status.st_mode):
            return 0
        os.ftruncate(handle, 0)
        return status.st_blocks * 512
    finally:
        os.close(handle)


def reclaim(params, dry_run):
    """Give space back until enough is free.

    Returns:
        What was done, and what was left alone and why, in words.
    """
    device, done, left, stopped = os.lstat(params["mount"]).st_dev, [], [], set()
    for size, pid, descriptor in deleted(params["mount"], params["least_bytes"]):
        if pid in stopped or free_ratio(params["mount"]) >= params["free_ratio"]:
            continue
        ticks = start_ticks(pid)
        try:
            check_may_be_stopped(pid, params["protected_units"])
        except ProcessRefusedError as refusal:
            left.append(f"left alone: {refusal}")
            continue
        if dry_run:
            done.append(f"would give back {size} bytes that process {pid} holds")
        elif params["state"] == "truncated":
            done.append(f"emptied a deleted file of process {pid}: {empty(pid, descriptor, device)} bytes")
        elif ticks is not None:
            stopped.add(pid)
            done.append(f"process {pid} {stop(pid, ticks, params['protected_units'], GRACE_S)}: it held {size} bytes")
    return done, left


def main():
    """Reclaim space."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["truncated", "writers_stopped"], "default": "truncated"},
            "least_bytes": {"type": "int", "default": 1 << 20},
            "free_ratio": {"type": "float", "default": 0.3},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    mount = module.params["mount"]
    if not os.path.ismount(mount):
        module.fail_json(msg=f"{mount} is no mount point")
    try:
        done, left = reclaim(module.params, module.check_mode)
    except (ProcessRefusedError, OSError) as error:
        module.fail_json(msg=str(error))
    nothing = NOT_THE_CASE + "; ".join(["no deleted file that may be emptied holds space here", *left])
    module.exit_json(changed=bool(done), msg="; ".join(done + left) if done else nothing, done=done)


if __name__ == "__main__":
    main()
