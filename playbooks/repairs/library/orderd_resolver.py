#!/usr/bin/python
"""Ansible module: makes resolv.conf the known-good one, and takes that back. Touches that file only.

The change is one rename, so that no reader ever sees half a file. The wrong file is kept in quarantine; the undo puts it back
only while the file is still the one this repair put there.
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine

DOCUMENTATION = """
module: orderd_resolver
short_description: restore resolv.conf, or take that back
options:
  path: {type: str, default: /etc/resolv.conf, description: the file}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is moved away}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

NAME = "resolv.conf"


def content(path):
    """Return what tells two of these files apart: the link's target, or the bytes; None when there is none."""
    if os.path.islink(path):
        return "link to " + os.readlink(path)
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def put(source, target):
    """Put a copy of a file in another's place, at once; write into it where it cannot be replaced (a bind mount)."""
    staged = f"{target}.orderd-{os.getpid()}"
    try:
        shutil.copy2(source, staged, follow_symlinks=False)
        os.replace(staged, target)
    except OSError:
        if os.path.lexists(staged):
            os.unlink(staged)
        if not os.path.ismount(target):
            raise
        shutil.copyfile(source, target)


def restore(params, dry_run):
    """Put the known-good file in place.

    Returns:
        Whether anything had to change.
    """
    good = os.path.join(params["known_good"], NAME)
    check_trusted(good)
    if content(good) == content(params["path"]):
        return False
    if not dry_run:
        make_quarantine(params["quarantine"])
        if os.path.lexists(params["path"]):
            shutil.copy2(params["path"], os.path.join(params["quarantine"], NAME), follow_symlinks=False)
        put(good, params["path"])
    return True


def give_back(params, dry_run):
    """Put the quarantined file back while the known-good one is in place.

    Returns:
        Whether anything had to change.
    """
    quarantined = os.path.join(params["quarantine"], NAME)
    ours = content(os.path.join(params["known_good"], NAME)) == content(params["path"])
    if not ours or not os.path.lexists(quarantined):
        return False
    check_trusted(quarantined)
    if not dry_run:
        put(quarantined, params["path"])
    return True


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "default": "/etc/resolv.conf"},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    act = restore if module.params["state"] == "restored" else give_back
    try:
        changed = act(module.params, module.check_mode)
    except (RecordRefusedError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, msg="{}: {}".format(module.params["path"], "changed" if changed else "as it should be"))


if __name__ == "__main__":
    main()
