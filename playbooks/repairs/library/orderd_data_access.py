#!/usr/bin/python
"""Ansible module: gives what a service keeps its recorded owner and mode, and takes that back. Touches what the record lists.

A service may write in its own data, so nothing there is trusted: every name is opened below the folder that was opened before it,
no link is followed, and a file with a second name, or another kind of thing than was recorded, is left alone. What is not in the
record is left alone too: nobody knows whose it ought to be.
"""

import json
import os
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine, recorded
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_data_access
short_description: restore owner and mode of a service's data, or take that back
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what was there before}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

DATA = "data.json"
BEFORE = "data-access.json"
LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry:
    """One thing, held so that what was looked at is what is changed."""

    def __init__(self, path):
        """Find it, name by name; follows no link.

        Raises:
            OSError: it is not there, or reached over a link.
        """
        self.path = path
        parts = [part for part in path.split("/") if part]
        place = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                inner = os.open(part, LOOK | os.O_DIRECTORY, dir_fd=place)
                os.close(place)
                place = inner
            self._handle = os.open(parts[-1] if parts else ".", LOOK, dir_fd=place)
        finally:
            os.close(place)

    def __enter__(self):
        """Hold it."""
        return self

    def __exit__(self, *_):
        """Let it go."""
        os.close(self._handle)

    @property
    def access(self):
        """Return type and mode, owner and group."""
        status = os.fstat(self._handle)
        return [status.st_mode, status.st_uid, status.st_gid]

    def may_become(self, wanted):
        """Tell whether it is the kind of thing that the record says, under one name alone."""
        status = os.fstat(self._handle)
        alone = status.st_nlink == 1 or stat.S_ISDIR(status.st_mode)
        return alone and stat.S_IFMT(status.st_mode) == stat.S_IFMT(wanted[0])

    def set(self, wanted):
        """Set owner and mode; the mode last, a change of owner may take bits away."""
        mode, uid, gid = wanted
        os.chown(f"/proc/self/fd/{self._handle}", uid, gid)
        os.chmod(f"/proc/self/fd/{self._handle}", stat.S_IMODE(mode))


def change(wanted, dry_run, before=None):
    """Set what differs.

    Args:
        wanted: path -> type and mode, owner, group.
        dry_run: only look.
        before: is called with what differs, path by path, before anything is set.

    Returns:
        path -> what it was, of what has to change or has changed.
    """
    different = {path: was for path, access in wanted.items() if (was := _differs(path, access))}
    if before is not None and different and not dry_run:
        before(different)
    for path in [] if dry_run else different:
        with Entry(path) as entry:
            if entry.may_become(wanted[path]):
                entry.set(wanted[path])
    return different


def _differs(path, wanted):
    """Return what an entry is, if it is not what is wanted and may become it."""
    try:
        with Entry(path) as entry:
            return entry.access if entry.access != wanted and entry.may_become(wanted) else None
    except OSError:  # gone, or behind a link
        return None


def restore(params, dry_run):
    """Set the recorded owners and modes, the top of the data first.

    Returns:
        The paths.
    """

    def keep(different):
        make_quarantine(params["quarantine"])
        with open(os.path.join(params["quarantine"], BEFORE), "w") as stream:
            json.dump(different, stream)

    return list(change(recorded(params["known_good"], DATA, params["unit"]), dry_run, keep))


def give_back(params, dry_run):
    """Set owners and modes as they were before this repair, where they still are the recorded ones.

    Returns:
        The paths.
    """
    file = os.path.join(params["quarantine"], BEFORE)
    if not os.path.lexists(file):
        return []
    check_trusted(file)
    with open(file) as stream:
        were = json.load(stream)
    entries = recorded(params["known_good"], DATA, params["unit"])
    ours = {path: access for path, access in were.items() if path in entries and _is(path, entries[path])}
    return list(change(ours, dry_run))


def _is(path, access):
    try:
        with Entry(path) as entry:
            return entry.access == access
    except OSError:
        return False


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    params = module.params
    act = restore if params["state"] == "restored" else give_back
    try:
        paths = act(params, module.check_mode)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    nothing = "{}the data of {} may be read and written as recorded".format(NOT_THE_CASE, params["unit"])
    words = "{} of {}, first {}".format(len(paths), params["unit"], paths[0]) if paths else nothing
    module.exit_json(changed=bool(paths), msg=words, paths=paths[:100])


if __name__ == "__main__":
    main()
