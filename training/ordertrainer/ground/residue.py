"""What a host left behind: the answer has to be nothing.

Touches: reads mounts, links, cgroups, processes, loop devices and routes; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ordertrainer.ground import hosts, network, shared
from ordertrainer.ground.cgroups import CloneGroups
from ordertrainer.ground.paths import Ground
from ordertrainer.ground.shell import run
from ordertrainer.ground.undo import mount_points


def residue(name: str, index: int | None = None, ground: Ground | None = None) -> list[str]:
    """Return what is left of a host that was taken down, one line per thing; empty when all is well.

    Args:
        name: the host's name.
        index: its number; its cable is looked for only when it is given.
        ground: the directories it used.
    """
    ground = ground or Ground()
    return [*of_host(ground, name, index), *_of_last_host(ground)]


def of_host(ground: Ground, name: str, index: int | None) -> list[str]:
    """Return what is left of one host, what all hosts share left aside."""
    return list(_of_host(ground, name, index))


def _of_host(ground: Ground, name: str, index: int | None) -> Iterator[str]:
    directory = str(ground.host_dir(name))
    yield from (f"mount {point}" for point in mount_points() if point.startswith(directory))
    yield from (f"loop device {device}" for device in _loop_devices(directory))
    yield from (f"cgroup {group}" for group in CloneGroups(name=name).directories if group.exists())
    yield from (f"process {pid} {text}" for pid, text in _processes(name, directory))
    if index is not None and network.outside_name(index) in _links():
        yield f"link {network.outside_name(index)}"
    if Path(directory).exists():
        yield f"directory {directory}"


def _of_last_host(ground: Ground) -> Iterator[str]:
    """Yield what all hosts share and the last one should have given back."""
    if hosts.names(ground):
        return
    yield from (f"process {pid} lxcfs" for pid in shared.lxcfs_pids(ground))
    if (ground.run_dir / "shared.json").exists():
        yield f"record {ground.run_dir / 'shared.json'}"


def _loop_devices(directory: str) -> Iterator[str]:
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if file.read_text(encoding="utf-8").startswith(directory):
                yield file.parts[3]
        except OSError:  # it was detached while we looked
            continue


def _links() -> set[str]:
    return {link["ifname"] for link in json.loads(run(["ip", "-json", "link"]).stdout)}


def _processes(name: str, directory: str) -> Iterator[tuple[int, str]]:
    """Yield the clone's processes and those of this machine that name its directory: nspawn, ssh."""
    for pid in CloneGroups(name=name).processes():
        yield pid, "in the clone's cgroup"
    for pid, words in shared.processes():
        program = words[0].rsplit(b"/", 1)[-1]
        if program.startswith((b"systemd-nspawn", b"ssh")) and directory.encode() in b" ".join(words):
            yield pid, program.decode(errors="replace")
