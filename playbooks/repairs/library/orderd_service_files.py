#!/usr/bin/python
"""Ansible module: makes a service's own files those of the known-good record, and takes that back. Touches those files.

The record says which files they are; nothing else is ever touched. Every state changes one thing only: ``content`` what differs,
``missing`` what is gone, ``access`` mode and owner, ``unit_file`` the unit's own file. What is replaced is kept in quarantine;
the undo puts it back only where the record's copy is still in place.
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_files import Copies, access_of, check_replaceable, content_of, give_back, keep, put, set_access
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_service_files
short_description: restore the files of a service, or take that back
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
  what: {type: str, choices: [content, missing, access, unit_file], required: true, description: what is restored}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

ACCESS = "access.json"


class Record(Copies):
    """What is known to be good of one service."""

    def __init__(self, known_good, unit):
        """Read it.

        Raises:
            RecordRefusedError: the unit has no record, or it cannot be trusted.
        """
        super().__init__(os.path.join(known_good, "files", unit))
        self.unit_file = self.index["unit_file"]

    def wanted(self, what):
        """Return path -> entry of the files that a state is about."""
        return {path: entry for path, entry in self.files.items() if (path == self.unit_file) == (what == "unit_file")}


def differing(record, what):
    """Return the paths whose content is not as recorded, or which are gone, as the state asks."""
    paths = [path for path in sorted(record.wanted(what)) if content_of(path) != record.content(path)]
    return [path for path in paths if not os.path.lexists(path)] if what == "missing" else paths


def restore_files(params, record, dry_run):
    """Put recorded files in the place of those that differ, or are gone.

    Returns:
        Their paths.
    """
    paths = differing(record, params["what"])
    for path in paths:
        check_replaceable(path)
    for path in [] if dry_run else paths:
        keep(params["quarantine"], path)
        put(path, record.content(path), record.files[path])
    return paths


def recorded_access(record):
    """Return path -> recorded access of a service's files and of the folders around them."""
    return {path: record.access(path) for path in (*record.folders, *record.wanted("access"))}


def restore_access(params, record, dry_run):
    """Give files and their folders the recorded mode and owner.

    Returns:
        Their paths.
    """
    wanted = recorded_access(record)
    before = {path: access_of(path) for path in sorted(wanted)}
    wrong = {path: access for path, access in before.items() if access is not None and access != wanted[path]}
    if wrong and not dry_run:
        make_quarantine(params["quarantine"])
        with open(os.path.join(params["quarantine"], ACCESS), "w") as stream:
            json.dump(wrong, stream)
        for path in wrong:
            set_access(path, wanted[path])
    return list(wrong)


def return_files(params, record, dry_run):
    """Put back what this repair had replaced, where the record's copy is still in place.

    Returns:
        The paths given back.
    """
    paths = sorted(record.wanted(params["what"]))
    return [path for path in paths if give_back(params["quarantine"], path, record.content(path), dry_run=dry_run)]


def return_access(params, record, dry_run):
    """Give files the mode and owner back that they had, where they still have the recorded ones.

    Returns:
        The paths given back.
    """
    kept = os.path.join(params["quarantine"], ACCESS)
    if not os.path.lexists(kept):
        return []
    check_trusted(kept)
    with open(kept) as stream:
        before = json.load(stream)
    wanted = recorded_access(record)
    returned = [path for path in sorted(before) if path in wanted and access_of(path) == wanted[path]]
    for path in [] if dry_run else returned:
        set_access(path, before[path])
    return returned


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "what": {"type": "str", "choices": ["content", "missing", "access", "unit_file"], "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    params, access = module.params, module.params["what"] == "access"
    if params["state"] == "restored":
        act = restore_access if access else restore_files
    else:
        act = return_access if access else return_files
    try:
        paths = act(params, Record(params["known_good"], params["unit"]), module.check_mode)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    nothing = "{}the files of {} are as recorded".format(NOT_THE_CASE, params["unit"])
    module.exit_json(changed=bool(paths), msg=", ".join(paths) or nothing, paths=paths)


if __name__ == "__main__":
    main()
