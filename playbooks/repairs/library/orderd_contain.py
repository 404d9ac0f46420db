#!/usr/bin/python
"""Ansible module: limits what one process may take, and lifts that again. Touches its control group, and the scope it puts it in.

The process goes on: it is moved into a systemd scope of its own, with a CPU quota or with a bound on further memory. What it
holds already stays accounted where it was taken, so that what the scope allows is what it may take from now on. Where systemd
cannot hand out the resource, in a container that sees its part of a legacy hierarchy read-only, the process is put into a group
there; a legacy group has no soft bound, so the process waits for memory at its limit, for as long as it takes, and is not killed.
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_process import ProcessRefusedError, check_may_be_stopped, start_ticks
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_contain
short_description: limit one process without stopping it
options:
  pid: {type: int, required: true, description: process id}
  start_ticks: {type: int, required: true, description: start time in clock ticks since boot}
  what: {type: str, choices: [cpu, memory], required: true, description: what is limited}
  state: {type: str, choices: [contained, released], default: contained, description: limit it, or lift the limit}
  cpu_percent: {type: int, default: 25, description: of one core}
  cpu_weight: {type: int, default: 20, description: share when others want the CPU too; 100 is usual}
  more_bytes: {type: int, default: 33554432, description: memory it may take from now on}
  protected_units: {type: list, elements: str, default: [], description: units whose processes are refused}
"""

CGROUPS = "/sys/fs/cgroup"
MANAGER = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
PERIOD_US = 100000
MOVED_WITHIN_S = 2.0
OBEYED_WITHIN_S = 1.0
POLL_S = 0.02
UNLIMITED = {
    "cpu": {"cpu.cfs_quota_us": -1, "cpu.shares": 1024},
    "memory": {"memory.limit_in_bytes": -1, "memory.oom_control": 0},
}
WEIGHT_USUAL, SHARES_USUAL = 100, 1024
# Groups of processes that have ended are nobody's: whoever comes next clears them away.
JOIN = """
mount -t cgroup -o "$1" cgroup /sys/fs/cgroup
cd "/sys/fs/cgroup$2"
rmdir contained-*/ 2>/dev/null || :
mkdir -p "./$3"
cd "./$3"
shift 3
while [ $# -gt 1 ]; do
    echo "$2" >"$1"
    shift 2
done
"""


class ContainFailedError(Exception):
    """It was tried and did not work."""


class Groups:
    """In which control groups a process is: by controller on legacy hierarchies, the empty name for the unified one."""

    def __init__(self, pid):
        """Read them."""
        with open(f"/proc/{pid}/cgroup") as stream:
            lines = [line.rstrip("\n").split(":", 2) for line in stream]
        self._lines = [(controllers, path) for _number, controllers, path in lines]

    def of(self, controller):
        """Return the hierarchy that hands a resource out, by the name of its mount, and the group in it."""
        for hierarchy, path in self._lines:
            if controller in hierarchy.split(","):
                return hierarchy, path
        return "", dict(self._lines).get("", "")

    @property
    def systemd(self):
        """Return the group that systemd knows."""
        known = dict(self._lines)
        return known.get("name=systemd") or known.get("", "")

    def setting(self, controller, file):
        """Return a setting of the group that hands a resource out, None where there is none."""
        hierarchy, path = self.of(controller)
        for top in [os.path.join(CGROUPS, hierarchy)] if hierarchy else [CGROUPS, os.path.join(CGROUPS, "unified")]:
            try:
                with open(os.path.join(top, path.lstrip("/"), file)) as stream:
                    return stream.read().split()
            except OSError:
                continue
        return None


class Contained:
    """One process, how its scope is called, and what it may take."""

    def __init__(self, module):
        """Take them out of the module's parameters."""
        params = module.params
        self._module, self._protected = module, params["protected_units"]
        self.pid, self.ticks, self.what = params["pid"], params["start_ticks"], params["what"]
        self._percent, self._weight, self._more_bytes = params["cpu_percent"], params["cpu_weight"], params["more_bytes"]
        # Not by a name of orderd's own, whose processes nobody may touch.
        self.name = f"contained-{self.pid}-{self.ticks}"

    @property
    def groups(self):
        """Return where it is now."""
        return Groups(self.pid)

    def check(self):
        """Refuse what may not be limited; processes of containers too: their runtime decides where they are.

        Raises:
            ProcessRefusedError: the reason.
        """
        check_may_be_stopped(self.pid, self._protected)
        if os.readlink(f"/proc/{self.pid}/ns/pid") != os.readlink("/proc/self/ns/pid"):
            raise ProcessRefusedError(f"process {self.pid} belongs to a container")

    def is_in_scope(self):
        """Tell whether it is in its scope."""
        return f"/{self.name}.scope" in self.groups.systemd

    def is_limited(self):
        """Tell whether the kernel limits it as it shall, by the kernel's own word."""
        groups = self.groups
        legacy = bool(groups.of(self.what)[0])
        if self.what == "memory":
            bound = groups.setting("memory", "memory.limit_in_bytes" if legacy else "memory.high")
            return bool(bound) and bound[0] != "max" and int(bound[0]) <= self._more_bytes
        if legacy:
            both = [groups.setting("cpu", f"cpu.cfs_{word}_us") for word in ("quota", "period")]
            quota, period = (each[0] if each else "-1" for each in both)
        else:
            quota, period = groups.setting("cpu", "cpu.max") or ("max", "0")
        return quota not in ("-1", "max") and int(quota) * 100 <= int(period) * self._percent

    def contain(self):
        """Limit it."""
        if not self.is_in_scope():
            self._adopt()
        if self.what == "cpu":
            self._set(f"CPUQuota={self._percent}%", f"CPUWeight={self._weight}")
        else:
            self._set(f"MemoryHigh={self._more_bytes}")
        if not until(self.is_limited, OBEYED_WITHIN_S):
            self._join(self._legacy_limits())
        if not self.is_limited():
            raise ContainFailedError(f"process {self.pid}: the kernel does not limit its {self.what}")

    def release(self):
        """Lift the limit; it stays in its scope."""
        self._set(*(["CPUQuota=", "CPUWeight="] if self.what == "cpu" else ["MemoryHigh=infinity"]))
        if self.groups.of(self.what)[1].endswith(f"/{self.name}"):
            self._join(UNLIMITED[self.what])

    def _adopt(self):
        """Put it into a scope of its own, in the slice it was in; its unit knows its main process wherever that is."""
        slices = [part for part in self.groups.systemd.split("/") if part.endswith(".slice")]
        properties = {
            "Description": ["s", f"process {self.pid}, contained by orderd"],
            "PIDs": ["au", "1", str(self.pid)],
            "Slice": ["s", slices[-1] if slices else "system.slice"],
            "CollectMode": ["s", "inactive-or-failed"],
        }
        words = [word for key, value in properties.items() for word in (key, *value)]
        call = ["StartTransientUnit", "ssa(sv)a(sa(sv))", f"{self.name}.scope", "fail", str(len(properties)), *words, "0"]
        self._run(["/usr/bin/busctl", "call", *MANAGER, *call])
        if not until(self.is_in_scope, MOVED_WITHIN_S) or start_ticks(self.pid) != self.ticks:
            raise ContainFailedError(f"process {self.pid} was not moved by systemd, or ended meanwhile")

    def _set(self, *properties):
        """Set properties of the scope; what is said of a transient unit is forgotten with it."""
        self._run(["/usr/bin/systemctl", "set-property", "--runtime", "--", f"{self.name}.scope", *properties])

    def _legacy_limits(self):
        """Return the settings of a legacy group, in the order in which they are to be set."""
        if self.what == "memory":
            return {"memory.oom_control": 1, "memory.limit_in_bytes": self._more_bytes}
        quota, shares = PERIOD_US * self._percent // 100, SHARES_USUAL * self._weight // WEIGHT_USUAL
        return {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota, "cpu.shares": shares}

    def _join(self, settings):
        """Put it into a legacy group with these settings; the hierarchy is mounted in a namespace that ends with this."""
        hierarchy, path = self.groups.of(self.what)
        if not hierarchy:
            raise ContainFailedError(f"systemd does not hand out {self.what} here, and no legacy hierarchy does")
        above, inside = os.path.split(path)
        words = [str(word) for pair in settings.items() for word in pair]
        shell = ["/bin/sh", "-euc", JOIN, "sh", hierarchy, above if inside == self.name else path, self.name]
        shell += [*words, "cgroup.procs", str(self.pid)]
        self._run(["/usr/bin/unshare", "--mount", "--propagation", "private", *shell])

    def _run(self, command):
        status, output, error = self._module.run_command(command)
        if status != 0:
            raise ContainFailedError(f"{command[0]}: {(error or output).strip()}")


def bring_about(module, process, state):
    """Limit the process, or lift the limit where it is still ours.

    Returns:
        Whether anything had to change.
    """
    limited = process.is_in_scope() and process.is_limited()
    if state == "contained":
        process.check()
    if limited == (state == "contained"):
        return False
    if not module.check_mode:
        process.contain() if state == "contained" else process.release()
    return True


def until(holds, within_s):
    """Wait until something holds; tell whether it does."""
    give_up = time.monotonic() + within_s
    while not holds():
        if time.monotonic() >= give_up:
            return False
        time.sleep(POLL_S)
    return True


def main():
    """Limit the process, or lift the limit."""
    module = AnsibleModule(
        argument_spec={
            "pid": {"type": "int", "required": True},
            "start_ticks": {"type": "int", "required": True},
            "what": {"type": "str", "choices": ["cpu", "memory"], "required": True},
            "state": {"type": "str", "choices": ["contained", "released"], "default": "contained"},
            "cpu_percent": {"type": "int", "default": 25},
            "cpu_weight": {"type": "int", "default": 20},
            "more_bytes": {"type": "int", "default": 32 << 20},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    process, state = Contained(module), module.params["state"]
    gone = f"{NOT_THE_CASE}process {process.pid} has ended"
    if start_ticks(process.pid) != process.ticks:
        module.exit_json(changed=False, msg=gone)
    try:
        changed = bring_about(module, process, state)
    except (FileNotFoundError, ProcessLookupError):
        module.exit_json(changed=False, msg=gone)
    except (ProcessRefusedError, ContainFailedError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, msg=f"process {process.pid}: {process.what} {state}" + ("" if changed else " already"))


if __name__ == "__main__":
    main()
