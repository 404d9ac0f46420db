"""T4: a full disk is repaired while orderd's own /var and /tmp are full too, on a disposable host.

/var and /tmp become small file systems of their own and are filled to the last byte, the journal's included; then log writers
fill four watched mounts, again and again.
"""

import os
import re
import time

import pytest

from installed_host import TERMINAL, decided_after, decisions, installed_host, orderctl, reconfigure, shell, unfinished
from ordertrainer.ground import missing_packages

pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]

RUNS = 20
MOUNTS = tuple(f"/srv/full{number}" for number in range(4))
COOLDOWN_S = 20.0
LIMIT = "20 of 20 repaired"
SMALL_VAR = """
set -e
systemctl stop orderd.service
mkdir /run/var
mount -t tmpfs -o size=192M,mode=0755 small-var /run/var
tar -C /var --exclude=./cache --exclude=./lib/apt/lists --exclude=./lib/lxcfs -cf - . | tar -C /run/var -xf -
mkdir -p /run/var/cache /run/var/lib/lxcfs
mount --rbind /var/lib/lxcfs /run/var/lib/lxcfs  # what the host sees of itself comes from there
mount --rbind /run/var /var
mount -o remount,size=1M /tmp
for mount in MOUNTS; do mkdir -p $mount; mount -t tmpfs -o size=48M log $mount; done
systemctl start orderd.service
"""
FILL = """
for f in /var/filler /tmp/filler; do dd if=/dev/zero of=$f bs=64k; dd if=/dev/zero of=$f.rest bs=1 count=65536; done 2>/dev/null
"""
FULL = "df --output=avail /var /tmp | tail -n +2"
WRITE_LOGS = """
systemd-run --quiet --collect --unit=UNIT bash -c '
exec 3>>MOUNT/app.log
while :; do head -c 2000000 /dev/zero | tr "\\\\0" "x" >&3 || sleep 0.2; sleep 0.02; done'
"""


@pytest.fixture(scope="module")
def host():
    """A host whose /var and /tmp have not a byte left."""
    with installed_host() as host:
        host.exec(["bash", "-c", SMALL_VAR.replace("MOUNTS", " ".join(MOUNTS))], check=True)
        watched = "".join(f'[[mounts]]\npath = "{mount}"\n' for mount in MOUNTS)
        reconfigure(host, lambda text: re.sub(r"(?m)^\[resolver\]", watched + "\n[resolver]", text, count=1))
        shell(host, FILL)
        assert shell(host, FULL).split() == ["0", "0"], "the fillers have left room"
        yield host


def _fill_and_await(host, mount: str, number: int) -> str:
    """Have a mount filled and return the state its incident ends in."""
    known = {d["id"] for d in decisions(host)}
    shell(host, WRITE_LOGS.replace("UNIT", f"filler{number}").replace("MOUNT", mount))
    give_up = time.monotonic() + 40
    while time.monotonic() < give_up:
        found = [d for d in decided_after(host, known) if d["diagnosis"]["entity"]["key"] == mount]
        if found and found[-1]["state"] in TERMINAL:
            return found[-1]["state"]
        time.sleep(0.3)
    return "nothing"


def _used_ratio(host, mount: str) -> float:
    total, used = (int(word) for word in shell(host, f"df --output=size,used {mount} | tail -1").split())
    return used / total


def test_a_full_disk_is_repaired_while_nothing_can_be_written(host, measured):
    """Every one of twenty, proven by df and recorded in a journal that had no room to grow."""
    repaired, newest = 0, dict.fromkeys(MOUNTS, 0.0)
    for number in range(RUNS):
        mount = MOUNTS[number % len(MOUNTS)]
        time.sleep(max(0.0, newest[mount] + COOLDOWN_S - time.monotonic()))
        state = _fill_and_await(host, mount, number)
        newest[mount] = time.monotonic()
        repaired += state == "resolved" and _used_ratio(host, mount) < 0.8
    still_full = shell(host, FULL).split()
    room = " and ".join(still_full)
    measured(figure=f"{repaired} of {RUNS}, {room} KiB free in /var and /tmp at the end", limit=LIMIT, runs=RUNS)
    assert repaired == RUNS
    assert still_full == ["0", "0"]
    assert unfinished(decisions(host)) == []
    assert [line for line in orderctl(host, "status").get("degraded", []) if "journal" in line] == []
