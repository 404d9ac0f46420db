"""Takes the host's inventory: what a repair or a leftover of an injection could have changed.

Touches: reads /etc, /proc, /srv, /tmp, /var, systemd, the network and nftables of the host it runs on; prints one JSON object.
Standard library only: it is piped into the host's own Python, inside its namespaces. Every walk is bounded, because it also
looks at hosts whose disks a fault has filled with files.
"""

import hashlib
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterable

BIG_BYTES = 1 << 20
HASHED_BYTES_MAX = 1 << 20
ENTRIES_MAX = 4000
SILENT_S = 1.0
PROPERTIES = (
    "Id",
    "ActiveState",
    "LoadState",
    "UnitFileState",
    "InvocationID",
    "MainPID",
    "Type",
    "DropInPaths",
    "Transient",
    "NRestarts",
)
LIMITS = ("CPUQuotaPerSecUSec", "CPUWeight", "IOWeight", "MemoryHigh", "MemoryMax", "TasksMax")

# Directory -> how deep to look. Deeper ones hold thousands of files that only packages change.
TREES = {"/srv": 9, "/usr/local": 4, "/opt": 2, "/var/lib": 3, "/var/spool/cron": 3, "/tmp": 2, "/var/tmp": 2, "/dev/shm": 2}
BIG_TREES = ("/srv", "/tmp", "/var/tmp", "/dev/shm", "/var/cache")
# What services write all the time, what orderd keeps of its own doing, and the packages' own lists.
WRITTEN = (
    "/dev/shm/PostgreSQL.",
    "/srv/data/worker/",
    "/var/lib/apt/",
    "/var/lib/dpkg/info/",
    "/var/lib/lxcfs",
    "/var/lib/misc/",
    "/var/lib/orderd/",
    "/var/lib/orderd-exec/",
    "/var/lib/orderd-infer/",
    "/var/lib/postgresql/15/main/",
    "/var/lib/private/",
    "/var/lib/redis/",
    "/var/lib/systemd/",
)
# Made while a service starts (namespace-dev: systemd's, for PrivateDevices=) or a playbook runs, and gone with it.
PASSING_NAMES = ("systemd-private-", "namespace-dev-", "ansible-", "snap-private-")
# Settings of the host's own namespaces; the rest of /proc/sys is the machine's, or moves by itself.
SETTINGS = ("/proc/sys/net", "/proc/sys/user")
KERNEL_SETTINGS = ("domainname", "hostname", "msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni")
MOVING_SETTINGS = ("nf_conntrack_count", "stable_secret", "flush", "tcp_fastopen_key")

LINK_LOCAL = "fe80:"


def said(*argv: str) -> str:
    """Return what a program prints, empty when it is missing or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def json_of(*argv: str) -> list[dict]:
    """Return the JSON list that a program prints, empty when it prints none."""
    try:
        return json.loads(said(*argv) or "[]")
    except ValueError:
        return []


def read(path: str) -> str:
    """Return the text of a small file, empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            return text.read(4096).strip()
    except (OSError, ValueError):
        return ""


def units(text: str) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return the properties of every loaded unit, and the limits of every service, by name, from what systemctl shows."""
    found, limits = {}, {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" not in values:
            continue
        name = values.pop("Id")
        limit = " ".join(f"{key}={values.pop(key)}" for key in LIMITS if key in values)
        if name.endswith(".service") and values.get("ActiveState") == "active":
            limits[name] = limit + process_limits(int(values.get("MainPID", "0")))
        found[name] = values
    return found, limits


def process_limits(pid: int) -> str:
    """Return what one process may use and how it is treated, as words that differ when that was changed."""
    if pid <= 0:
        return ""
    limits = hashlib.sha256(read(f"/proc/{pid}/limits").encode()).hexdigest()[:8]
    try:
        return f" rlimits={limits} nice={os.getpriority(os.PRIO_PROCESS, pid)} cpus={len(os.sched_getaffinity(pid))}"
    except OSError:
        return ""


def files_of(top: str) -> dict[str, str]:
    """Return a digest of everything below a directory."""
    found = {}
    for directory, below, names in os.walk(top):
        for name in names + below:
            path = os.path.join(directory, name)
            found[path] = digest(path, HASHED_BYTES_MAX)
    return found


def silent(points: Iterable[str]) -> frozenset[str]:
    """Return the mounts that do not answer: a process of its own asks each, because it may hang for as long as the mount does."""
    asked = {}
    for point in points:
        pid = os.fork()
        if pid == 0:
            try:
                os.listdir(point)
            finally:
                os._exit(0)
        asked[pid] = point
    give_up = time.monotonic() + SILENT_S
    while asked and time.monotonic() < give_up:
        asked = {pid: point for pid, point in asked.items() if not os.waitpid(pid, os.WNOHANG)[0]}
        time.sleep(0.002)
    for pid in asked:
        os.kill(pid, signal.SIGKILL)
    return frozenset(asked.values())


def tree(top: str, depth: int, but: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return a digest of everything below a directory, down to a depth and a number, but for what is written all the time.

    Args:
        top: the directory.
        depth: how deep to look.
        but: mounts that do not answer.
    """
    found: dict[str, str] = {}
    pending = [(top, depth)]
    while pending:
        directory, left = pending.pop()
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            path = f"{directory}/{name}"
            if name.startswith(PASSING_NAMES) or path.startswith(WRITTEN):
                continue
            if len(found) >= ENTRIES_MAX:
                return found | {f"{top} beyond {ENTRIES_MAX} entries": "not looked at"}
            found[path] = "does not answer" if path in but else digest(path, BIG_BYTES // 4)
            if found[path].startswith("directory") and left > 1:
                pending.append((path, left - 1))
    return found


def digest(path: str, bytes_max: int) -> str:
    """Return what a path is: a link's target, a directory's mode and owner, or a hash over mode, owner, size and content."""
    try:
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            return "link to " + os.readlink(path)
        kind = f"{state.st_mode:o} {state.st_uid} {state.st_gid}"
        if stat.S_ISDIR(state.st_mode):
            return "directory " + kind
        total = hashlib.sha256(kind.encode())
        if stat.S_ISREG(state.st_mode):
            total.update(str(state.st_size).encode())
            with open(path, "rb", opener=unnoticed) as file:
                total.update(file.read(bytes_max))
    except OSError as error:
        return type(error).__name__
    return total.hexdigest()[:16]


def unnoticed(path: str, flags: int) -> int:
    """Open a file without renewing when it was last read: by that a repair tells what nobody needs any more."""
    try:
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # for its owner and root only
        return os.open(path, flags)


def big_files(*tops: str, but: frozenset[str] = frozenset()) -> dict[str, int]:
    """Return the files of more than BIG_BYTES below some directories, but for mounts that do not answer."""
    found = {}
    for top in tops:
        for directory, below, names in os.walk(top):
            below[:] = [name for name in below if os.path.join(directory, name) not in but]
            for name in names[:ENTRIES_MAX]:
                path = os.path.join(directory, name)
                try:
                    size = os.lstat(path).st_size
                except OSError:
                    continue
                if size > BIG_BYTES:
                    found[path] = size
    return found


def mounts() -> list[str]:
    """Return mount points with type and the options that matter."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8") as text:
        for line in text:
            left, _, right = line.partition(" - ")
            fields = left.split()
            found.append(f"{fields[4]} {right.split()[0]} {fields[5].split(',')[0]}")
    return sorted(found)


def processes() -> list[list[str]]:
    """Return [pid:start, name, unit] of every process but this one and those that took us here."""
    mine, found = {os.getpid(), os.getppid()}, []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in mine or int(name) <= 0:
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as text:
                words = text.read()
            with open(f"/proc/{name}/cgroup", encoding="utf-8", errors="replace") as text:
                group = text.read()
        except OSError:
            continue
        fields = words[words.rfind(")") + 2 :].split()
        if fields[0] in "ZX":
            continue
        comm = words[words.find("(") + 1 : words.rfind(")")]
        found.append([f"{name}:{fields[19]}", comm, unit_of(group)])
    return found


def unit_of(group: str) -> str:
    """Return the unit in systemd's hierarchy a cgroup text names, empty when there is none."""
    for line in group.splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers == "name=systemd" or (number == "0" and not controllers):
            names = [part for part in path.split("/") if part.endswith((".service", ".scope", ".slice"))]
            if names:
                return names[-1]
    return ""


def stopped() -> dict[str, str]:
    """Return the processes that a signal has stopped, by name; one that is stopped does nothing and shows nowhere else."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        words = read(f"/proc/{name}/stat")
        if words[words.rfind(")") + 2 :][:1] == "T":
            found[words[words.find("(") + 1 : words.rfind(")")]] = "stopped"
    return found


def links() -> dict[str, str]:
    """Return the network links: whether each is up, its size limit and kind."""
    return {
        link["ifname"]: " ".join(
            (
                "up" if "UP" in link.get("flags", ()) else "down",
                f"mtu={link.get('mtu')}",
                f"master={link.get('master', 'none')}",
                f"kind={link.get('linkinfo', {}).get('info_kind', 'none')}",
                f"queue={link.get('txqlen')}",
            )
        )
        for link in json_of("ip", "-j", "-d", "link", "show")
    }


def addresses() -> dict[str, str]:
    """Return the addresses by link, but for those that the kernel makes up from a random hardware address."""
    return {
        f"{link['ifname']} {each['local']}/{each['prefixlen']}": each.get("scope", "")
        for link in json_of("ip", "-j", "address", "show")
        for each in link.get("addr_info", ())
        if "local" in each and not each["local"].startswith(LINK_LOCAL)
    }


def routes() -> dict[str, str]:
    """Return all routes and the rules that choose among them."""
    found = {}
    for family in ("-4", "-6"):
        for route in json_of("ip", family, "-j", "route", "show", "table", "all"):
            if str(route.get("dst")).startswith(LINK_LOCAL):
                continue
            key = f"{family} {route.get('table', 'main')} {route.get('type', '')} {route.get('dst')} {route.get('dev', '')}"
            found[key] = f"via={route.get('gateway', '')} metric={route.get('metric', '')} {sorted(route.get('flags', ()))}"
        for rule in json_of("ip", family, "-j", "rule", "show"):
            found[f"{family} rule {rule.get('priority')}"] = json.dumps(rule, sort_keys=True)
    return found


def qdiscs() -> dict[str, str]:
    """Return the queueing disciplines by link and place."""
    found = {}
    for each in json_of("tc", "-j", "qdisc", "show"):
        place = f"{each.get('dev')} {each.get('parent', 'root')} {each.get('handle', '')}"
        found[place] = f"{each.get('kind')} {json.dumps(each.get('options', {}), sort_keys=True)}"
    return found


def settings() -> dict[str, str]:
    """Return the kernel settings that are the host's own."""
    found = {f"kernel.{name}": read(f"/proc/sys/kernel/{name}") for name in KERNEL_SETTINGS}
    for top in SETTINGS:
        for directory, _, names in os.walk(top):
            for name in names:
                if name not in MOVING_SETTINGS:
                    path = os.path.join(directory, name)
                    found[path[len("/proc/sys/") :].replace("/", ".")] = read(path)
    return found


def loops() -> dict[str, str]:
    """Return the loop devices whose file lies on this host; the others are the machine's."""
    found = {}
    for name in filter(lambda each: each.startswith("loop"), sorted(os.listdir("/sys/block"))):
        backing = read(f"/sys/block/{name}/loop/backing_file")
        if backing and os.path.exists(backing):
            found[backing] = name
    return found


def swaps() -> dict[str, str]:
    """Return the swap areas."""
    return {line.split()[0]: line.split()[2] for line in read("/proc/swaps").splitlines()[1:] if line.strip()}


def main() -> None:
    """Print the inventory."""
    show = ["systemctl", "show", "--property=" + ",".join(PROPERTIES + LIMITS), "*"]
    asked = subprocess.Popen(show, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    looked_at: dict[str, str] = {}
    points = {mount.split(" ")[0] for mount in mounts()}
    hung = silent(each for each in points if each.startswith(tuple(f"{top}/" for top in (*TREES, *BIG_TREES))))
    for top, depth in TREES.items():
        looked_at |= tree(top, depth, hung)
    etc = files_of("/etc")
    found, limits = units(asked.communicate(timeout=10)[0])  # systemd takes as long to answer as all the rest
    inventory = {
        "units": found,
        "etc": etc,
        "mounts": mounts(),
        "processes": processes(),
        "nft": said("nft", "--stateless", "list", "ruleset"),
        "big_files": big_files(*BIG_TREES, but=hung),
        "run_units": files_of("/run/systemd/system") | files_of("/run/systemd/system.control"),
        "things": {
            "file": looked_at,
            "limits": limits,
            "link": links(),
            "address": addresses(),
            "route": routes(),
            "qdisc": qdiscs(),
            "sysctl": settings(),
            "swap": swaps(),
            "loop": loops(),
            "stopped": stopped(),
            "name": {"host": os.uname().nodename, "domain": read("/proc/sys/kernel/domainname")},
        },
    }
    print(json.dumps(inventory))


if __name__ == "__main__":
    main()
