#!/usr/bin/python
"""Ansible module: gives kernel settings their recorded values, and takes that back. Touches /proc/sys, sysctl.conf and sysctl.d.

A file that would set a recorded setting to another value at the next boot is put back as recorded, or moved to quarantine when
nobody recorded it. A link leads to somebody else's file and stays. Of settings that are not in the record nothing is touched.
"""

import fnmatch
import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_files import check_replaceable, content_of, give_back, keep, move_away, put
from ansible.module_utils.orderd_host_record import host_files, host_record
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_setting
short_description: restore kernel settings, or take that back
options:
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
  proc: {type: str, default: /proc/sys, description: where settings are}
  etc: {type: str, default: /etc, description: where sysctl.conf and sysctl.d are}
"""

BEFORE = "settings.json"


class SettingFailedError(Exception):
    """A setting does not take its value."""


def value_of(proc, key):
    """Return the words of a setting; None when this kernel has none of that name."""
    try:
        with open(os.path.join(proc, *key.split("."))) as stream:
            return " ".join(stream.read().split())
    except FileNotFoundError:
        return None


def give(proc, key, value):
    """Give a setting a value.

    Raises:
        SettingFailedError: it has another one after that.
    """
    with open(os.path.join(proc, *key.split(".")), "w") as stream:
        stream.write(value)
    if value_of(proc, key) != value:
        raise SettingFailedError(f"{key} is {value_of(proc, key)} and does not become {value}")


def differing(proc, settings):
    """Return the recorded settings that have another value, with that value."""
    found = {key: value_of(proc, key) for key in sorted(settings)}
    return {key: value for key, value in found.items() if value is not None and value != settings[key]}


def as_path(key):
    """Return a key of sysctl.d(5) as a path: with a dot first, dots and slashes are the other way round."""
    first = next((letter for letter in key if letter in "./"), "/")
    return key if first == "/" else key.translate(str.maketrans("./", "/."))


def assigned(text, settings):
    """Return what a file of sysctl.d(5) makes of recorded settings; the last line of a file counts."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        key = as_path(key.strip().lstrip("-").strip())
        if equals and not line.lstrip().startswith(("#", ";")):
            found.update({name: " ".join(value.split()) for name in settings if fnmatch.fnmatchcase(as_path(name), key)})
    return found


def wrong_files(etc, settings, copies):
    """Return the files by which a boot would set something else: of those that name a setting, the last one counts.

    One that is as recorded is right whatever it says, and so are those before it, which it overrules.
    """
    folder, found = os.path.join(etc, "sysctl.d"), []
    names = sorted(name for name in os.listdir(folder) if name.endswith(".conf")) if os.path.isdir(folder) else []
    paths = [os.path.join(etc, "sysctl.conf"), *(os.path.join(folder, name) for name in reversed(names))]
    contents = {path: content_of(path) for path in paths if not os.path.islink(path)}
    says = {path: assigned((text or b"").decode(errors="replace"), settings) for path, text in contents.items()}
    for key, wanted in settings.items():
        for path in (each for each in says if key in says[each]):
            if says[path][key] == wanted or (path in copies.files and contents[path] == copies.content(path)):
                break
            found.append(path)
    return list(dict.fromkeys(found))


def restore(params, dry_run):
    """Put files and settings right.

    Returns:
        Their names.
    """
    settings, copies = host_record(params["known_good"])["settings"], host_files(params["known_good"])
    wrong, files = differing(params["proc"], settings), wrong_files(params["etc"], settings, copies)
    for path in files:
        if path in copies.files:
            check_replaceable(path)
    if dry_run or not (wrong or files):
        return [*files, *wrong]
    make_quarantine(params["quarantine"])
    with open(os.path.join(params["quarantine"], BEFORE), "w") as stream:
        json.dump({"settings": wrong, "files": files}, stream)
    for path in files:
        if path in copies.files:
            keep(params["quarantine"], path)
            put(path, copies.content(path), copies.access(path))
        else:
            move_away(params["quarantine"], path)
    for key in wrong:
        give(params["proc"], key, settings[key])
    return [*files, *wrong]


def take_back(params, dry_run):
    """Give settings and files back what they were, where they still are what this repair made of them.

    Returns:
        Their names.
    """
    settings, copies = host_record(params["known_good"])["settings"], host_files(params["known_good"])
    kept = os.path.join(params["quarantine"], BEFORE)
    if not os.path.lexists(kept):
        return []
    check_trusted(kept)
    with open(kept) as stream:
        before = json.load(stream)
    ours = {path: copies.content(path) if path in copies.files else None for path in before["files"]}
    returned = [path for path in ours if give_back(params["quarantine"], path, ours[path], dry_run=dry_run)]
    for key, value in before["settings"].items():
        if key in settings and value_of(params["proc"], key) == settings[key]:
            returned.append(key)
            if not dry_run:
                give(params["proc"], key, value)
    return returned


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
            "proc": {"type": "str", "default": "/proc/sys"},
            "etc": {"type": "str", "default": "/etc"},
        },
        supports_check_mode=True,
    )
    act = restore if module.params["state"] == "restored" else take_back
    try:
        names = act(module.params, module.check_mode)
    except (RecordRefusedError, SettingFailedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(names), msg=", ".join(names) or f"{NOT_THE_CASE}settings are as recorded", names=names)


if __name__ == "__main__":
    main()
