#!/usr/bin/python
"""Ansible module: stops whoever fills a link alone. Touches those processes; measures with ip(8) and ss(8).

What the connections sent that this host opened is measured for a moment and summed by control group. Whoever sends more than half
of everything that goes out over the link, and belongs to no protected unit, is stopped for certain. Where this host is asked, it
only answers: those connections are nobody's crowd.
"""

import json
import os
import re
import shutil
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_process import ProcessRefusedError, check_may_be_stopped, start_ticks, stop, units_of
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_talker
short_description: stop what fills a link
options:
  link: {type: str, required: true, description: its name}
  protected_units: {type: list, elements: str, default: [], description: units whose processes are refused}
"""

TOOLS_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MEASURE_S = 1.0
LEAST_BYTES_PER_S = 500000
MOST = 0.5
PART_OF_IT = 0.1
GRACE_S = 0.5
SENT = re.compile(r" bytes_sent:(\d+)")
PID = re.compile(r",pid=(\d+),")


class NotTheCaseError(Exception):
    """This is not what is wrong with the link."""


class ToolFailedError(Exception):
    """A tool is missing, or failed."""


def run(module, tool, *words):
    """Run ip(8) or ss(8); fail with its words."""
    path = shutil.which(tool, path=TOOLS_PATH)
    if path is None:
        raise ToolFailedError(f"{tool} is missing: install the Debian package iproute2")
    status, output, error = module.run_command([path, *words])
    if status != 0:
        raise ToolFailedError(f"{tool} {' '.join(words)}: {(error or output).strip()}")
    return output


def addresses(told):
    """Return the addresses of a link, as ip(8) tells them."""
    return {each["local"] for link in told for each in link.get("addr_info", ()) if "local" in each}


def connections(told, here):
    """Return (local, peer) -> (pid, bytes sent) of the connections from these addresses that this host opened.

    Args:
        told: what ``ss -tanipHO`` says.
        here: the addresses.
    """
    found, listening = {}, set()
    for line in told.splitlines():
        state, _receives, _sends, local, peer = line.split(None, 5)[:5]
        address, port = split(local)
        if state == "LISTEN":
            listening.add(port)
        elif address in here:
            pid, sent = PID.search(line), SENT.search(line)
            found[local, peer] = int(pid.group(1)) if pid else 0, int(sent.group(1)) if sent else 0
    return {ends: what for ends, what in found.items() if split(ends[0])[1] not in listening}


def split(end):
    """Return address and port of ``[::ffff:192.0.2.7%net0]:80``."""
    address, _, port = end.rpartition(":")
    return address.strip("[]").partition("%")[0].removeprefix("::ffff:"), port


def grown(before, after):
    """Return pid -> bytes that its connections sent between two looks; a connection that is new had sent nothing."""
    sums = {}
    for ends, (pid, sent) in after.items():
        sums[pid] = sums.get(pid, 0) + max(0, sent - before.get(ends, (0, 0))[1])
    return sums


def measure(module):
    """Return pid -> bytes sent, everything that the link sent, and the time that took."""
    link = module.params["link"]
    here = addresses(json.loads(run(module, "ip", "-json", "address", "show", "dev", link) or "[]"))
    began, all_before = time.monotonic(), link_sent(link)
    before = connections(run(module, "ss", "-tanipHO"), here)
    time.sleep(MEASURE_S)
    after = connections(run(module, "ss", "-tanipHO"), here)
    return grown(before, after), link_sent(link) - all_before, time.monotonic() - began


def link_sent(link):
    """Return the bytes that a link has sent."""
    with open(f"/sys/class/net/{link}/statistics/tx_bytes") as stream:
        return int(stream.read())


def group_of(pid):
    """Return what processes of one unit have in common; a process that is gone is alone."""
    try:
        with open(f"/proc/{pid}/cgroup") as stream:
            return stream.read()
    except OSError:
        return str(pid)


def talkers(sent, everything, elapsed_s, group=group_of):
    """Return the processes of the one control group that sends more than half.

    Args:
        sent: pid -> bytes.
        everything: that the link sent.
        elapsed_s: in this time.
        group: returns the control group of a process.

    Raises:
        NotTheCaseError: nobody does, or the link sends little.
    """
    everything = max(everything, sum(sent.values()))
    if everything < LEAST_BYTES_PER_S * elapsed_s:
        raise NotTheCaseError(f"it sends {everything / elapsed_s / 1e6:.2f} MB a second")
    groups = {}
    for pid, count in sent.items():
        if pid:
            groups.setdefault(group(pid), {})[pid] = count
    most = max(groups.values(), key=lambda each: sum(each.values()), default={})
    if sum(most.values()) <= MOST * everything:
        raise NotTheCaseError("nobody sends more than half of it")
    return sorted(pid for pid, count in most.items() if count >= PART_OF_IT * everything)


def silence(module):
    """Stop whoever fills the link.

    Returns:
        What was done, in words.

    Raises:
        NotTheCaseError: nobody does, or who does may not be stopped.
    """
    found = {pid: start_ticks(pid) for pid in talkers(*measure(module))}
    protected = module.params["protected_units"]
    try:
        for pid in found:
            check_may_be_stopped(pid, protected)
    except ProcessRefusedError as refusal:
        raise NotTheCaseError(f"who fills it may not be stopped: {refusal}") from refusal
    units = {pid: ", ".join(units_of(pid)) or "no unit" for pid in found}
    return [
        f"process {pid} of {units[pid]}: {stop(pid, ticks, protected, GRACE_S, dry_run=module.check_mode)}"
        for pid, ticks in found.items()
        if ticks is not None
    ]


def main():
    """Silence the talker."""
    module = AnsibleModule(
        argument_spec={
            "link": {"type": "str", "required": True},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    link = module.params["link"]
    if not os.path.exists(f"/sys/class/net/{link}"):
        module.fail_json(msg=f"there is no link {link}")
    try:
        done = silence(module)
    except NotTheCaseError as error:
        module.exit_json(changed=False, msg=f"{NOT_THE_CASE}{link}: {error}")
    except (ToolFailedError, ProcessRefusedError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done), msg=f"{link}: {'; '.join(done) or 'who filled it is gone'}", done=done)


if __name__ == "__main__":
    main()
