#!/usr/bin/python
"""Ansible module: gives the host its recorded name, and takes that back. Touches /etc/hostname and the kernel's word."""

import json
import os
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_files import check_replaceable, content_of, give_back, keep, move_away, put
from ansible.module_utils.orderd_host_record import host_files, host_record
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_host_name
short_description: restore the host's name, or take that back
options:
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
  path: {type: str, default: /etc/hostname, description: the file that a boot takes the name from}
"""

BEFORE = "name.json"


def name_in(content):
    """Return the name in the bytes of /etc/hostname: the first line that is no comment."""
    lines = (line.strip() for line in (content or b"").decode(errors="replace").splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")


def restore_file(params, record, copies):
    """Put the recorded file in place, or none where there was none."""
    path = params["path"]
    check_replaceable(path)
    if path in copies.files:
        keep(params["quarantine"], path)
        put(path, copies.content(path), copies.access(path))
    elif record["hostname_file"]:
        raise RecordRefusedError(f"{path} was a link when it was recorded: a person has to look")
    else:
        move_away(params["quarantine"], path)


def restore(params, dry_run):
    """Give the host its name.

    Returns:
        Where it had another one.
    """
    record, copies = host_record(params["known_good"]), host_files(params["known_good"])
    path, now = params["path"], socket.gethostname()
    wrong = [path] if name_in(content_of(os.path.realpath(path))) != record["hostname_file"] else []
    wrong += ["the kernel"] if now != record["hostname"] else []
    if dry_run or not wrong:
        return wrong
    make_quarantine(params["quarantine"])
    with open(os.path.join(params["quarantine"], BEFORE), "w") as stream:
        json.dump({"hostname": now}, stream)
    if path in wrong:
        restore_file(params, record, copies)
    if now != record["hostname"]:
        socket.sethostname(record["hostname"])
    return wrong


def take_back(params, dry_run):
    """Give the host the name back that it had, where it still has the recorded one.

    Returns:
        Where it has that name again.
    """
    record, copies = host_record(params["known_good"]), host_files(params["known_good"])
    kept, path = os.path.join(params["quarantine"], BEFORE), params["path"]
    if not os.path.lexists(kept):
        return []
    check_trusted(kept)
    with open(kept) as stream:
        before = json.load(stream)["hostname"]
    ours = copies.content(path) if path in copies.files else None
    returned = [path] if give_back(params["quarantine"], path, ours, dry_run=dry_run) else []
    if socket.gethostname() == record["hostname"] != before:
        returned.append("the kernel")
        if not dry_run:
            socket.sethostname(before)
    return returned


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
            "path": {"type": "str", "default": "/etc/hostname"},
        },
        supports_check_mode=True,
    )
    act = restore if module.params["state"] == "restored" else take_back
    try:
        places = act(module.params, module.check_mode)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(places), msg=", ".join(places) or f"{NOT_THE_CASE}the host has its name", places=places)


if __name__ == "__main__":
    main()
