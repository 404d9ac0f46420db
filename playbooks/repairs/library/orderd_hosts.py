#!/usr/bin/python
"""Ansible module: takes a name out of the lines of /etc/hosts that give it an address nobody recorded, and takes that back.

Touches that file only, at once; every other name and every comment stays as it is.
"""

import hashlib
import os
import re
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_files import access_of, check_replaceable, content_of, give_back, in_quarantine, keep, put
from ansible.module_utils.orderd_host_record import host_record
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_hosts
short_description: take an override out of /etc/hosts, or put it back
options:
  name: {type: str, required: true, description: the name that the resolver is asked for}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
  path: {type: str, default: /etc/hosts, description: the file}
"""

WRITTEN = "written.sha256"


def good_addresses(params):
    """Return the addresses that the name had in the file when it was recorded.

    Raises:
        RecordRefusedError: there is no record that can be trusted, or it is of another name.
    """
    record = host_record(params["known_good"])["resolver"]
    if not params["name"] or record["name"] != params["name"]:
        raise RecordRefusedError(f"the record is of the name {record['name']!r}, not of {params['name']!r}: orderd known-good")
    return set(record["addresses"])


def without(text, name, good):
    """Return the text without the name where it has an address that is not good; a line that names nothing else goes."""
    return "".join(line if _is_fine(line, name, good) else _shorter(line, name) for line in text.splitlines(keepends=True))


def _is_fine(line, name, good):
    words = line.partition("#")[0].split()
    return not words or words[0] in good or name.lower() not in (word.lower() for word in words[1:])


def _shorter(line, name):
    before, sign, comment = line.partition("#")
    if {word.lower() for word in before.split()[1:]} == {name.lower()}:
        return ""
    shorter = re.sub(rf"[ \t]+{re.escape(name)}(?=\s|$)", "", before, flags=re.IGNORECASE)
    return shorter + sign + comment


def write(path, content):
    """Write the file anew with the mode and owner it has; into it where it cannot be replaced (a bind mount)."""
    try:
        put(path, content, access_of(path))
    except OSError:
        if not os.path.ismount(path):
            raise
        with open(path, "wb") as stream:
            stream.write(content)


def restore(params, dry_run):
    """Take the name out.

    Returns:
        Whether it was there.
    """
    path, good = params["path"], good_addresses(params)
    check_replaceable(path)
    now = content_of(path) or b""
    wanted = without(now.decode(errors="surrogateescape"), params["name"], good).encode(errors="surrogateescape")
    if wanted == now:
        return False
    if not dry_run:
        keep(params["quarantine"], path)
        with open(os.path.join(params["quarantine"], WRITTEN), "w") as stream:
            stream.write(hashlib.sha256(wanted).hexdigest())
        write(path, wanted)
    return True


def take_back(params, dry_run):
    """Put the file back as it was, while it is what this repair wrote.

    Returns:
        Whether it went back.
    """
    path, written = params["path"], os.path.join(params["quarantine"], WRITTEN)
    if not os.path.lexists(written):
        return False
    check_trusted(written)
    now = content_of(path)
    with open(written) as stream:
        if now is None or hashlib.sha256(now).hexdigest() != stream.read():
            return False
    if os.path.ismount(path):
        if not dry_run:
            shutil.copyfile(in_quarantine(params["quarantine"], path), path)
        return True
    return give_back(params["quarantine"], path, now, dry_run=dry_run)


def main():
    """Take the name out, or put the file back."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
            "path": {"type": "str", "default": "/etc/hosts"},
        },
        supports_check_mode=True,
    )
    params = module.params
    act = restore if params["state"] == "restored" else take_back
    try:
        changed = act(params, module.check_mode)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    nothing = "{}{} gives {} no address that was not recorded".format(NOT_THE_CASE, params["path"], params["name"])
    module.exit_json(changed=changed, msg="{}: {}".format(params["path"], params["name"]) if changed else nothing)


if __name__ == "__main__":
    main()
