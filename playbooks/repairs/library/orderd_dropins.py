#!/usr/bin/python
"""Ansible module: makes a unit's drop-ins those of the known-good record, and takes that back. Touches two drop-in folders.

What is not in the record is moved to quarantine, never deleted. A file that differs from it is moved too, and the recorded
one is put in its place. The undo moves back only what is still missing where it came from: it overwrites nothing.
"""

import filecmp
import os
import re
import shutil
from fnmatch import fnmatchcase

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_dropins
short_description: restore the drop-ins of a unit, or take that back
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is moved away}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
  system_folders: {type: list, elements: str, description: where drop-in folders lie}
  setting: {type: list, elements: str, description: only drop-ins that set one of these patterns; all when there are none}
  sole: {type: bool, default: false, description: say that it is not the case when there is nothing to move}
"""

SYSTEM_FOLDERS = ["/etc/systemd/system", "/run/systemd/system"]


def recorded(known_good, unit):
    """Return name -> path of the unit's recorded drop-ins; an empty folder says that it had none.

    Raises:
        RecordRefusedError: the unit has no record, or it cannot be trusted.
    """
    folder = os.path.join(known_good, "dropins", unit + ".d")
    check_trusted(folder)
    files = {name: os.path.join(folder, name) for name in os.listdir(folder)}
    for path in files.values():
        check_trusted(path)
    return files


def foreign(folder, good):
    """Return the drop-ins of one folder that are not as recorded."""
    found = sorted(os.path.join(folder, name) for name in os.listdir(folder)) if os.path.isdir(folder) else []
    return [path for path in found if not _as_recorded(path, good.get(os.path.basename(path)))]


def _as_recorded(path, record):
    return record is not None and os.path.isfile(path) and filecmp.cmp(path, record, shallow=False)


def sets_any(path, patterns):
    """Tell whether a drop-in sets a key of these patterns; what cannot be read sets nothing."""
    try:
        with open(path, errors="replace") as stream:
            found = re.findall(r"^\s*(\w+)\s*=", stream.read(), re.MULTILINE)
    except OSError:
        return False
    return any(fnmatchcase(key, pattern) for key in found for pattern in patterns)


def in_quarantine(quarantine, path):
    """Return where a file lies in quarantine: its whole path, so that it can go back to where it was."""
    return os.path.join(quarantine, path.lstrip("/"))


def move(source, target):
    """Move a file across file systems, folders made as needed; never over something."""
    if os.path.lexists(target):
        raise OSError(f"{target} is already there")
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    shutil.move(source, target)


def in_effect(module):
    """Return the drop-ins systemd reads for the unit, wherever they lie: vendor and type-wide ones are recorded too."""
    command = ["/usr/bin/systemctl", "show", "--property=DropInPaths", "--value", "--", module.params["unit"]]
    _status, output, _error = module.run_command(command, check_rc=True)
    return output.split()


def restore(module):
    """Move foreign drop-ins away and put recorded ones back.

    Returns:
        The paths that were moved or put back.
    """
    params = module.params
    good = recorded(params["known_good"], params["unit"])
    folders = [os.path.join(folder, params["unit"] + ".d") for folder in params["system_folders"] or SYSTEM_FOLDERS]
    moved = [path for folder in folders for path in foreign(folder, good)]
    there = in_effect(module) + [os.path.join(folder, name) for folder in folders for name in good]
    kept = {os.path.basename(path) for path in there if path not in moved and os.path.exists(path)}
    returned = {os.path.join(folders[0], name): good[name] for name in sorted(set(good) - kept)}
    if params.get("setting"):
        meant = {name for name, record in good.items() if sets_any(record, params["setting"])}
        moved = [path for path in moved if os.path.basename(path) in meant or sets_any(path, params["setting"])]
        returned = {path: record for path, record in returned.items() if os.path.basename(path) in meant}
    if not module.check_mode:
        if moved:
            make_quarantine(params["quarantine"])
        for path in moved:
            move(path, in_quarantine(params["quarantine"], path))
        for path, record in returned.items():
            os.makedirs(folders[0], mode=0o755, exist_ok=True)
            shutil.copy2(record, path)
    return moved + list(returned)


def give_back(module):
    """Move what this repair had moved away back to where it was, where nothing has taken its place.

    Returns:
        The paths given back.
    """
    params, returned = module.params, []
    for folder, _folders, names in os.walk(params["quarantine"]):
        for name in names:
            source = os.path.join(folder, name)
            check_trusted(source)
            target = "/" + os.path.relpath(source, params["quarantine"])
            if os.path.basename(os.path.dirname(target)) == params["unit"] + ".d" and not os.path.lexists(target):
                returned.append(target)
                if not module.check_mode:
                    move(source, target)
    return returned


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
            "system_folders": {"type": "list", "elements": "str"},
            "setting": {"type": "list", "elements": "str"},
            "sole": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    act = restore if module.params["state"] == "restored" else give_back
    try:
        paths = act(module)
    except (RecordRefusedError, OSError) as error:
        module.fail_json(msg=str(error))
    nothing = f"{NOT_THE_CASE if module.params['sole'] else ''}drop-ins are as recorded"
    module.exit_json(changed=bool(paths), msg=", ".join(paths) or nothing, paths=paths)


if __name__ == "__main__":
    main()
