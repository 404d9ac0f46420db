"""Takes the host's inventory: what a repair or a leftover of an injection could have changed.

Touches: reads /etc, /proc, /srv, /tmp, systemd and nftables of the host it runs on; prints one JSON object. Standard library
only: it is piped into the host's own Python, inside its namespaces.
"""

import hashlib
import json
import os
import stat
import subprocess

BIG_BYTES = 1 << 20
HASHED_BYTES_MAX = 1 << 20
PROPERTIES = ("Id", "ActiveState", "LoadState", "UnitFileState", "InvocationID", "MainPID", "Type", "DropInPaths", "Transient")


def said(*argv: str) -> str:
    """Return what a program prints, empty when it is missing or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def units() -> dict[str, dict[str, str]]:
    """Return the properties of every loaded unit, by name."""
    found = {}
    text = said("systemctl", "show", "--property=" + ",".join(PROPERTIES), "*")
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            found[values.pop("Id")] = values
    return found


def files_of(top: str) -> dict[str, str]:
    """Return a digest of every file and link below a directory."""
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            found[path] = digest(path)
    return found


def digest(path: str) -> str:
    """Return what a path is: a link's target, or a hash over mode, owner and content."""
    try:
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            return "link to " + os.readlink(path)
        total = hashlib.sha256(f"{state.st_mode:o} {state.st_uid} {state.st_gid}".encode())
        if stat.S_ISREG(state.st_mode):
            with open(path, "rb") as file:
                total.update(file.read(HASHED_BYTES_MAX))
    except OSError as error:
        return type(error).__name__
    return total.hexdigest()[:16]


def big_files(*tops: str) -> dict[str, int]:
    """Return the files of more than BIG_BYTES below some directories."""
    found = {}
    for top in tops:
        for directory, _, names in os.walk(top):
            for name in names:
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


def main() -> None:
    """Print the inventory."""
    inventory = {
        "units": units(),
        "etc": files_of("/etc"),
        "mounts": mounts(),
        "processes": processes(),
        "nft": said("nft", "list", "ruleset"),
        "big_files": big_files("/srv", "/tmp"),
        "run_units": files_of("/run/systemd/system"),
    }
    print(json.dumps(inventory))


if __name__ == "__main__":
    main()
