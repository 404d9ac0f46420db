#!/usr/bin/python
"""Ansible module: stops whoever sits on the port of a service that does not run. Touches that process.

Where the service has to answer is what its probe asks. A process that listens there, and belongs neither to the service nor to
any protected unit, keeps it from starting; it is stopped for certain. The service's own process is left alone, and so is systemd,
which holds the sockets of services that it starts on demand.
"""

import ipaddress
import os
import socket
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_process import ProcessRefusedError, check_may_be_stopped, start_ticks, stop, units_of
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_port
short_description: stop a process that holds the port of a service
options:
  unit: {type: str, required: true, description: name of the unit}
  listens: {type: list, elements: str, required: true, description: where it has to answer}
  protected_units: {type: list, elements: str, default: [], description: units whose processes are refused}
"""

GRACE_S = 0.5
LISTEN, UNCONNECTED = "0A", "07"
NAMES = {"localhost": "127.0.0.1"}


def parse(listener):
    """Return protocol, address and port of ``tcp 127.0.0.1:80``."""
    protocol, _, rest = listener.partition(" ")
    host, _, port = rest.rpartition(":")
    host = host.strip("[]")
    return protocol, ipaddress.ip_address(NAMES.get(host, host)), int(port)


def sockets(protocol, read=None):
    """Yield (address, port, inode) of everything that listens by a protocol."""
    for family, name in ((socket.AF_INET, protocol), (socket.AF_INET6, f"{protocol}6")):
        for line in (read or _lines)(f"/proc/net/{name}"):
            fields = line.split()
            if fields[3] == (LISTEN if protocol == "tcp" else UNCONNECTED):
                address, _, port = fields[1].partition(":")
                yield _address(address, family), int(port, 16), int(fields[9])


def _lines(path):
    try:
        with open(path) as stream:
            return stream.read().splitlines()[1:]
    except OSError:
        return []


def _address(text, family):
    """Return the address of the kernel's form: words of four bytes in the host's order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    found = ipaddress.ip_address(socket.inet_ntop(family, packed))
    return getattr(found, "ipv4_mapped", None) or found


def clashing(listener, found):
    """Return the inodes of the sockets that keep anybody else from listening there."""
    protocol, address, port = parse(listener)
    return {inode for there, number, inode in found(protocol) if number == port and (there == address or there.is_unspecified)}


def holders(inodes):
    """Return the pids that have one of these sockets open."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return sorted(int(pid) for pid in filter(str.isdigit, os.listdir("/proc")) if wanted & set(_links(f"/proc/{pid}/fd")))


def _links(folder):
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def squatters(unit, listens):
    """Return the pids that sit where the unit has to listen, without belonging to it."""
    inodes = {inode for listener in listens for inode in clashing(listener, sockets)}
    return [pid for pid in holders(inodes) if unit not in units_of(pid)] if inodes else []


def evict(params, dry_run):
    """Stop them.

    Returns:
        What was done, in words.

    Raises:
        ProcessRefusedError: one of them may not be stopped; nothing was.
    """
    found = {pid: start_ticks(pid) for pid in squatters(params["unit"], params["listens"])}
    for pid in found:
        check_may_be_stopped(pid, params["protected_units"])
    return [
        f"process {pid}: {stop(pid, ticks, params['protected_units'], GRACE_S, dry_run=dry_run)}"
        for pid, ticks in found.items()
        if ticks is not None
    ]


def main():
    """Evict whoever holds the port."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "listens": {"type": "list", "elements": "str", "required": True},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        done = evict(params, module.check_mode)
    except ProcessRefusedError as refusal:
        module.fail_json(msg=str(refusal))
    nothing = "{}nobody sits where {} has to listen ({})".format(
        NOT_THE_CASE, params["unit"], ", ".join(params["listens"]) or "it has no probe"
    )
    module.exit_json(changed=bool(done), msg="; ".join(done) or nothing, done=done)


if __name__ == "__main__":
    main()
