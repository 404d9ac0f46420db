#!/usr/bin/python
"""Ansible module: removes scratch files that nobody needs from a full mount. Touches files in folders for scratch data.

Regular files in folders called tmp, that nobody has read or written for a day and nobody has open, the largest first, until
enough is free.
"""

import itertools
import os
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_space import NOT_THE_CASE, free_inodes_ratio, free_ratio, identity, open_identities, walk

DOCUMENTATION = """
module: orderd_old_files
short_description: remove scratch files that were forgotten
options:
  mount: {type: str, required: true, description: mount point}
  old_s: {type: float, default: 86400, description: a scratch file untouched this long is forgotten}
  free_ratio: {type: float, default: 0.3, description: stop when this share of space and inodes is free}
"""

SCRATCH = ("tmp", ".tmp")


def scratch_files(mount, old_s):
    """Return (bytes on disk, path, identity) of the forgotten files in folders for scratch data, largest first."""
    device, now = os.lstat(mount).st_dev, time.time()
    used = open_identities(mount)
    found = []
    for folder in _scratch_folders(mount, device):
        for _current, entries in walk(folder, device):
            for entry, status in entries:
                touched = max(status.st_atime, status.st_mtime)
                forgotten = stat.S_ISREG(status.st_mode) and now - touched >= old_s and status.st_nlink == 1
                if forgotten and identity(status) not in used:
                    found.append((status.st_blocks * 512, entry.path, identity(status)))
    return sorted(found, reverse=True)


def _scratch_folders(mount, device):
    """Return the folders for scratch data of a file system: at its top, or one folder below."""
    tops = [mount] if os.path.basename(mount) in SCRATCH else []
    places = [mount, *(entry.path for entry in os.scandir(mount) if entry.is_dir(follow_symlinks=False))]
    for place in places:
        for name in SCRATCH:
            folder = os.path.join(place, name)
            if os.path.isdir(folder) and not os.path.islink(folder) and os.lstat(folder).st_dev == device:
                tops.append(folder)
    return tops


def remove(files):
    """Remove files, given as (path, identity), each only if it still is the one that was looked at, through its folder.

    Returns:
        How many were removed.
    """
    count = 0
    for folder, group in itertools.groupby(files, key=lambda each: os.path.dirname(each[0])):
        try:
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            count += sum(_remove(os.path.basename(path), expected, place) for path, expected in group)
        finally:
            os.close(place)
    return count


def _remove(name, expected, place):
    try:
        if identity(os.stat(name, dir_fd=place, follow_symlinks=False)) != expected:
            return False
        os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return False
    return True


def remove_scratch(params, dry_run):
    """Remove forgotten scratch files, largest first, until enough is free.

    Returns:
        How many.
    """
    count = 0
    for _size, path, expected in scratch_files(params["mount"], params["old_s"]):
        if free_ratio(params["mount"]) >= params["free_ratio"] and free_inodes_ratio(params["mount"]) >= params["free_ratio"]:
            break
        count += 1 if dry_run else remove([(path, expected)])
    return count


def main():
    """Remove forgotten scratch files."""
    module = AnsibleModule(
        argument_spec={
            "mount": {"type": "str", "required": True},
            "old_s": {"type": "float", "default": 86400.0},
            "free_ratio": {"type": "float", "default": 0.3},
        },
        supports_check_mode=True,
    )
    mount = module.params["mount"]
    if not os.path.ismount(mount):
        module.fail_json(msg=f"{mount} is no mount point")
    try:
        count = remove_scratch(module.params, module.check_mode)
    except OSError as error:
        module.fail_json(msg=str(error))
    nothing = f"{NOT_THE_CASE}no scratch file on {mount} was forgotten"
    module.exit_json(changed=count > 0, msg=f"{count} files removed" if count else nothing, count=count)


if __name__ == "__main__":
    main()
