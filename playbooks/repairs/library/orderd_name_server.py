#!/usr/bin/python
"""Ansible module: restarts the name server of this host that resolv.conf points to. Touches its unit.

Only one that runs here, as a service known to be a name server; servers elsewhere are not this host's to restart. It is killed
first, because one that hangs would make a restart wait.
"""

import glob
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_name_server
short_description: restart the local name server
options:
  path: {type: str, default: /etc/resolv.conf, description: the resolver's configuration}
"""

SERVERS = (
    "systemd-resolved.service",
    "dnsmasq.service",
    "unbound.service",
    "named.service",
    "bind9.service",
    "pdns-recursor.service",
    "knot-resolver.service",
)
LOCAL = re.compile(r"^\s*nameserver\s+(127\.[0-9.]+|::1)\s*$", re.MULTILINE)
FOLDERS = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")


def is_local(path):
    """Tell whether a name server of this host is asked."""
    with open(path) as stream:
        return LOCAL.search(stream.read()) is not None


def installed():
    """Return the name servers that are installed here, in order."""
    return [unit for unit in SERVERS if any(glob.glob(os.path.join(folder, unit)) for folder in FOLDERS)]


def enabled(module):
    """Return the unit of the one name server that is wanted here; empty for none or several."""
    found = [unit for unit in installed() if module.run_command(["/usr/bin/systemctl", "is-enabled", "--quiet", unit])[0] == 0]
    return found[0] if len(found) == 1 else ""


def main():
    """Restart the name server."""
    module = AnsibleModule(argument_spec={"path": {"type": "str", "default": "/etc/resolv.conf"}}, supports_check_mode=True)
    path = module.params["path"]
    try:
        unit = enabled(module) if is_local(path) else ""
    except OSError as error:
        module.fail_json(msg=str(error))
    if not unit:
        module.exit_json(changed=False, msg=f"{NOT_THE_CASE}{path} names no name server that runs here")
    if not module.check_mode:
        module.run_command(["/usr/bin/systemctl", "kill", "--kill-who=all", "--signal=SIGKILL", "--", unit])
        module.run_command(["/usr/bin/systemctl", "reset-failed", "--", unit])
        module.run_command(["/usr/bin/systemctl", "restart", "--", unit], check_rc=True)
    module.exit_json(changed=True, msg=f"{unit} was restarted", unit=unit)


if __name__ == "__main__":
    main()
