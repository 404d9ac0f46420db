#!/usr/bin/python
"""Ansible module: brings one systemd unit up, out of the states a plain start does not leave. Touches that unit.

``systemd_service`` has no reset-failed and no kill, and asks systemd five times; this asks once and does what is needed.
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: orderd_unit
short_description: bring a unit up
options:
  unit: {type: str, required: true, description: name of the unit}
  unmask: {type: bool, default: false, description: remove links to /dev/null first}
  kill_first: {type: bool, default: false, description: SIGKILL the whole control group first, for a unit that hangs}
  reload: {type: bool, default: false, description: have systemd read unit files again first}
  restart: {type: bool, default: false, description: restart even when it is active}
"""

PROPERTIES = ("ActiveState", "SubState", "LoadState", "MainPID", "Result")
MASK_FOLDERS = ("/etc/systemd/system", "/run/systemd/system")
DEAD_WITHIN_S = 2.0
POLL_S = 0.01


class Unit:
    """One unit, through systemctl."""

    def __init__(self, module):
        self.module = module
        self.name = module.params["unit"]

    def state(self):
        """Return the unit's properties."""
        output = self.systemctl("show", "--property=" + ",".join(PROPERTIES), "--", self.name)
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def systemctl(self, *arguments):
        """Run systemctl; fail the task when it fails."""
        status, output, error = self.module.run_command(["/usr/bin/systemctl", "--no-ask-password", *arguments])
        if status != 0:
            self.module.fail_json(msg="systemctl {}: {}".format(" ".join(arguments), (error or output).strip()), rc=status)
        return output

    def masks(self):
        """Return the links to /dev/null that mask the unit."""
        links = [os.path.join(folder, self.name) for folder in MASK_FOLDERS]
        return [link for link in links if os.path.islink(link) and os.path.realpath(link) == "/dev/null"]

    def unmask(self, links):
        """Remove the masks and have systemd notice."""
        for link in links:
            os.unlink(link)
        self.systemctl("daemon-reload")

    def kill(self):
        """Kill everything in the unit and wait until its main process is gone: a start before that would do nothing."""
        self.systemctl("kill", "--kill-who=all", "--signal=SIGKILL", "--", self.name)
        give_up = time.monotonic() + DEAD_WITHIN_S
        while self.state()["ActiveState"] in ("active", "reloading", "deactivating") and time.monotonic() < give_up:
            time.sleep(POLL_S)


def wanted_steps(unit, params):
    """Return the names of what has to be done, in order; empty when the unit is up and nothing was insisted on."""
    state = unit.state()
    steps = []
    if params["unmask"] and unit.masks():
        steps.append("unmask")
    elif params["reload"]:
        steps.append("reload")
    if params["kill_first"] and state["ActiveState"] not in ("inactive", "failed"):
        steps.append("kill")
    if params["restart"]:
        steps.append("restart")
    elif steps or state["ActiveState"] != "active":
        steps.append("start")
    return steps


def take(unit, step):
    """Take one step."""
    if step == "unmask":
        unit.unmask(unit.masks())
    elif step == "reload":
        unit.systemctl("daemon-reload")
    elif step == "kill":
        unit.kill()
    else:
        start(unit, step)


def start(unit, verb):
    """Start or restart; forget failures first, so that the start limit does not refuse it."""
    state = unit.state()
    if state["ActiveState"] == "failed" or state["SubState"] == "auto-restart":
        unit.systemctl("reset-failed", "--", unit.name)
    # systemd lets a start wait for the pause before an automatic restart; a restart does not wait.
    unit.systemctl("restart" if state["ActiveState"] == "activating" else verb, "--", unit.name)


def main():
    """Bring the unit up."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "unmask": {"type": "bool", "default": False},
            "kill_first": {"type": "bool", "default": False},
            "reload": {"type": "bool", "default": False},
            "restart": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    unit = Unit(module)
    steps = wanted_steps(unit, module.params)
    if not module.check_mode:
        for step in steps:
            take(unit, step)
    module.exit_json(changed=bool(steps), msg="{}: {}".format(unit.name, ", ".join(steps) or "already up"), steps=steps)


if __name__ == "__main__":
    main()
