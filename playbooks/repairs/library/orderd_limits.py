#!/usr/bin/python
"""Ansible module: lets a running service take again what the known-good record says. Touches the control groups of that unit.

What somebody wrote into the unit's own group is replaced by what is recorded. Processes that somebody has moved into a group
below the one they were recorded in are moved back, and that group is left empty: it limits nobody any more. The service goes on.
"""

import errno
import math
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, recorded
from ansible.module_utils.orderd_process import units_of

DOCUMENTATION = """
module: orderd_limits
short_description: restore what a service may take
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
  reload: {type: bool, default: false, description: have systemd read unit files again first}
"""

CGROUPS = "/sys/fs/cgroup"
PROC = "/proc"
LIMITS = "limits.json"
PERIOD_US = 100000
V1_UNLIMITED_BYTES = 1 << 60
ROUNDS = 5
SAME_RATIO = 0.001
# A container sees controllers read-only that are its own none the less: they are mounted afresh where nobody else sees it.
WRITE = """
case $1 in
    ''|unified) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
    *) mount -t cgroup -o "$1" cgroup /sys/fs/cgroup ;;
esac
cd /sys/fs/cgroup
shift
while [ $# -gt 1 ]; do
    echo "$2" >"$1" || :
    shift 2
done
"""


class LimitsFailedError(Exception):
    """It was tried and did not work."""


def read(path):
    """Return the text of a small file, empty where there is none."""
    try:
        with open(path) as stream:
            return stream.read().strip()
    except OSError:
        return ""


class Place:
    """Where a controller shares out to a process: the hierarchy, and the group in it."""

    def __init__(self, controller, pid):
        """Find it."""
        here, of_init = (_groups(each) for each in (pid, 1))
        self.legacy = controller in here
        key = controller if self.legacy else ""
        unified = "unified" if os.path.exists(f"{CGROUPS}/unified/cgroup.controllers") else ""
        self.hierarchy = controller if self.legacy else unified
        self.init, self.group = (groups.get(key, "/").strip("/") for groups in (of_init, here))
        self.own = below(self.group, self.init)

    def directory(self, group):
        """Return where a group is looked at."""
        return os.path.normpath(os.path.join(CGROUPS, self.hierarchy, group))

    def recorded_group(self, own):
        """Return the group in which the record saw the process."""
        shared = self.group[: len(self.group) - len(self.own)].strip("/")
        return os.path.join(shared, own) if own else self.init

    def own_directories(self, group):
        """Return the groups that are the unit's own, outermost first; slices are shared."""
        own = below(group, self.init)
        top, parts = group[: len(group) - len(own)], [part for part in own.split("/") if part]
        paths = [top + "/".join(parts[: i + 1]) for i, part in enumerate(parts) if not part.endswith(".slice")]
        return [self.directory(path) for path in paths]


def _groups(pid):
    found = {}
    for line in read(f"{PROC}/{pid}/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def below(group, of_init):
    """Return what of a group is below all that it has in common with PID 1's."""
    parts, others = group.split("/"), of_init.split("/")
    common = next((i for i, part in enumerate(parts) if i >= len(others) or part != others[i]), len(parts))
    return "/".join(parts[common:])


def cpu_cores(directory):
    """Return how many cores a group grants."""
    quota, _, period = read(f"{directory}/cpu.max").partition(" ")
    if not quota:
        quota, period = read(f"{directory}/cpu.cfs_quota_us"), read(f"{directory}/cpu.cfs_period_us")
    return math.inf if quota in ("", "max", "-1") else int(quota) / int(period)


def cpu_writes(directory, cores):
    """Return the writes that have a group grant so many cores."""
    if os.path.exists(f"{directory}/cpu.max"):
        text = "max" if math.isinf(cores) else f"{round(cores * PERIOD_US)} {PERIOD_US}"
        return [(f"{directory}/cpu.max", text)]
    period = int(read(f"{directory}/cpu.cfs_period_us") or PERIOD_US)
    return [(f"{directory}/cpu.cfs_quota_us", "-1" if math.isinf(cores) else str(round(cores * period)))]


def memory_bytes(name):
    """Return what reads a bound on memory, by its name on the unified hierarchy."""

    def bound(directory):
        text = read(f"{directory}/{name}") or (read(f"{directory}/memory.limit_in_bytes") if name == "memory.max" else "")
        return math.inf if text in ("", "max") or int(text) >= V1_UNLIMITED_BYTES else float(text)

    return bound


def memory_writes(name):
    """Return what writes a bound on memory."""

    def writes(directory, size):
        legacy = name == "memory.max" and not os.path.exists(f"{directory}/{name}")
        unlimited = "-1" if legacy else "max"
        file = "memory.limit_in_bytes" if legacy else name
        return [(f"{directory}/{file}", unlimited if math.isinf(size) else str(int(size)))]

    return writes


# key of the record: controller, how it is read, how it is written
BOUNDS = {
    "cpu_cores": ("cpu", cpu_cores, cpu_writes),
    "memory_max_bytes": ("memory", memory_bytes("memory.max"), memory_writes("memory.max")),
    "memory_high_bytes": ("memory", memory_bytes("memory.high"), memory_writes("memory.high")),
}


class Restoring:
    """One unit, its record, and what is to be done so that the two agree."""

    def __init__(self, module):
        """Look; nothing is changed yet."""
        self._module = module
        self._unit = module.params["unit"]
        self._record = recorded(module.params["known_good"], LIMITS, self._unit)
        self._pid = int(self._show("MainPID") or 0)

    def runs(self):
        """Tell whether there is anybody who could be limited."""
        return self._pid > 0 and os.path.exists(f"{PROC}/{self._pid}/cgroup")

    def restore(self):
        """Move processes back, then write what differs.

        Returns:
            What was done, or would be, in words.

        Raises:
            LimitsFailedError: the kernel does not obey.
        """
        moved = {each: self._move_back(each) for each in ("cpu", "memory")}
        done = [words for words in moved.values() if words]
        for key, (controller, reading, writes) in BOUNDS.items():
            wanted = math.inf if self._record[key] is None else self._record[key]
            place = Place(controller, self._pid)
            # What would be is looked at where the process would be.
            group = place.recorded_group(self._record[f"{controller}_group"]) if moved[controller] else place.group
            directories = place.own_directories(group)
            todo = list(_writes(directories, wanted, reading, writes))
            if todo:
                done.append(f"{key} {_words(wanted)}")
                self._write(place, todo)
            if not self._module.check_mode and not same(granted(directories, reading), wanted):
                raise LimitsFailedError(f"{self._unit}: {key} is still {granted(directories, reading):g}")
        return done

    def _move_back(self, controller):
        """Move the unit's processes out of a group below the one they were recorded in; return that in words."""
        place, own = Place(controller, self._pid), self._record[f"{controller}_group"]
        is_systemds = place.group == self._show("ControlGroup").strip("/")
        if place.own == own or is_systemds or not (place.own.startswith(f"{own}/") or not own):
            return ""
        source, target = place.directory(place.group), place.directory(place.recorded_group(own))
        for _ in range(ROUNDS):
            pids = [pid for pid in read(f"{source}/cgroup.procs").split() if pid != "0" and self._unit in units_of(int(pid))]
            if not pids or self._module.check_mode:
                break
            handed_on = read(f"{target}/cgroup.subtree_control").split() if not place.legacy else []
            writes = [(f"{target}/cgroup.subtree_control", " ".join(f"-{each}" for each in handed_on))] if handed_on else []
            self._write(place, [*writes, *((f"{target}/cgroup.procs", pid) for pid in pids)])
        if not self._module.check_mode and Place(controller, self._pid).own != own:
            raise LimitsFailedError(f"{self._unit}: its processes do not leave {source}")
        return f"processes moved out of {source}"

    def _write(self, place, pairs):
        """Write into control groups; what came of it is looked at afterwards: a process may have ended meanwhile."""
        if self._module.check_mode:
            return
        for i, (path, text) in enumerate(pairs):
            try:
                with open(path, "w") as stream:
                    stream.write(text)
            except OSError as error:
                if error.errno == errno.EROFS:
                    self._write_apart(place, pairs[i:])
                    return

    def _write_apart(self, place, pairs):
        words = [word for path, text in pairs for word in (os.path.relpath(path, place.directory("")), text)]
        shell = ["/bin/sh", "-euc", WRITE, "sh", place.hierarchy, *words]
        status, output, error = self._module.run_command(["/usr/bin/unshare", "--mount", "--propagation", "private", *shell])
        if status != 0:
            raise LimitsFailedError(f"{place.directory('')} cannot be written: {(error or output).strip()}")

    def _show(self, wanted):
        command = ["/usr/bin/systemctl", "show", f"--property={wanted}", "--value", "--", self._unit]
        return self._module.run_command(command, check_rc=True)[1].strip()


def granted(directories, reading):
    """Return what groups grant together."""
    return min(map(reading, directories), default=math.inf)


def same(one, other):
    """Tell whether two bounds are the same; a quota is rounded to microseconds."""
    return math.isclose(one, other, rel_tol=SAME_RATIO)


def _writes(directories, wanted, reading, writes):
    """Yield what has to be written so that groups grant together what is wanted, neither less nor more."""
    if same(granted(directories, reading), wanted):
        return
    for directory in directories:
        if reading(directory) < wanted or directory == directories[-1]:
            yield from writes(directory, wanted)


def _words(bound):
    return "unlimited" if math.isinf(bound) else f"{bound:g}"


def main():
    """Restore the limits."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    unit = module.params["unit"]
    try:
        if module.params["reload"] and not module.check_mode:
            module.run_command(["/usr/bin/systemctl", "daemon-reload"], check_rc=True)
        restoring = Restoring(module)
        done = restoring.restore() if restoring.runs() else []
    except (RecordRefusedError, LimitsFailedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done), msg=f"{unit}: {'; '.join(done) or 'may take what is recorded'}", done=done)


if __name__ == "__main__":
    main()
