#!/usr/bin/python
"""Ansible module: gives the top directory of a mount its recorded owner and mode, and takes that back. Touches that directory.

What lies below it is left alone: the record says nothing of it. What it had before is kept in quarantine; the undo gives it back
only where the recorded owner and mode are still in place.
"""

import json
import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_mount_access
short_description: restore owner and mode of a mount's top directory, or take that back
options:
  path: {type: str, required: true, description: mount point}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what it had before}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

MOUNTS = "mounts.json"
BEFORE = "mount-access.json"
KEYS = ("mode", "uid", "gid")


def recorded(known_good, path):
    """Return mode, uid and gid that the known-good record says.

    Raises:
        RecordRefusedError: it says nothing of them, or cannot be trusted.
    """
    file = os.path.join(known_good, MOUNTS)
    check_trusted(file)
    with open(file) as stream:
        how = json.load(stream).get(path, {})
    if not all(key in how for key in KEYS):
        raise RecordRefusedError(f"{file} does not say who may enter {path}; while it is healthy: orderd known-good")
    return {key: how[key] for key in KEYS}


class Top:
    """The top directory of a mount, held open, so that what was looked at is what is changed."""

    def __init__(self, path):
        """Open it; follows no link."""
        self._handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def __enter__(self):
        """Hold it."""
        return self

    def __exit__(self, *_):
        """Let it go."""
        os.close(self._handle)

    @property
    def access(self):
        """Return mode, uid and gid as they are."""
        status = os.fstat(self._handle)
        return {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}

    @access.setter
    def access(self, wanted):
        """Set them; the mode last, a change of owner may take bits away."""
        os.fchown(self._handle, wanted["uid"], wanted["gid"])
        os.fchmod(self._handle, wanted["mode"])


def restore(params, top, dry_run):
    """Set the recorded owner and mode.

    Returns:
        Whether anything had to change.
    """
    wanted, before = recorded(params["known_good"], params["path"]), top.access
    if before == wanted:
        return False
    if not dry_run:
        make_quarantine(params["quarantine"])
        with open(os.path.join(params["quarantine"], BEFORE), "w") as stream:
            json.dump(before, stream)
        top.access = wanted
    return True


def give_back(params, top, dry_run):
    """Set owner and mode as they were before this repair, where they are still the recorded ones.

    Returns:
        Whether anything had to change.
    """
    kept = os.path.join(params["quarantine"], BEFORE)
    if not os.path.lexists(kept) or top.access != recorded(params["known_good"], params["path"]):
        return False
    check_trusted(kept)
    with open(kept) as stream:
        before = json.load(stream)
    if not dry_run:
        top.access = before
    return True


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    params = module.params
    act = restore if params["state"] == "restored" else give_back
    if not os.path.ismount(params["path"]):
        module.fail_json(msg="{} is no mount point".format(params["path"]))
    try:
        with Top(params["path"]) as top:
            changed = act(params, top, module.check_mode)
            after = "owner {uid}:{gid}, mode {mode:04o}".format(**top.access)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    nothing = "{}{} has {}, as recorded".format(NOT_THE_CASE, params["path"], after)
    module.exit_json(changed=changed, msg="{}: {}".format(params["path"], after) if changed else nothing)


if __name__ == "__main__":
    main()
