"""The image of a drill host: a cached layer of installed and configured services over the machine's own root.

Touches: `/var/lib/orderd-drill/images`, and through the builder apt and the network; the machine itself gets no package.

The layer is an ext4 file, not a directory: the kernel refuses a lower layer that lies inside another lower layer, and the
machine's `/` is one. It is built in a mount namespace of its own that dies with the builder, so that an interrupted build
leaves a directory to remove and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.paths import WORKLOAD_DIR, Ground
from ordertrainer.ground.shell import run

LAYER_BYTES_MAX = 4 << 30
KEPT_IMAGES = 2
DPKG_LOCK = Path("/var/lib/dpkg/lock-frontend")
BUILD_TIMEOUT_S = 1200.0
PACKAGES = (
    "ca-certificates",
    "chrony",
    "dbus",
    "dnsmasq",
    "iproute2",
    "libpam-systemd",
    "logrotate",
    "nftables",
    "nginx-light",
    "openssh-server",
    "openssl",
    "postgresql",
    "procps",
    "python3",
    "python3-venv",
    "redis-server",
    "sudo",
    "systemd-sysv",
)
BUILDER_FILES = ("image.py", "image_build.py", "quiet.py")

Say = Callable[[str], None]


def digest(workload_dir: Path = WORKLOAD_DIR) -> str:
    """Return the name of the image that fits this machine now.

    It covers everything the layer is made from: the packages of the drill, the workload's files, the code that builds,
    and the packages of the machine, since a layer over an upgraded root would carry a stale package database.
    """
    total = hashlib.sha256()
    for part in (*PACKAGES, _debian_version(), _installed_packages()):
        total.update(part.encode() + b"\0")
    sources = [Path(__file__).with_name(name) for name in BUILDER_FILES]
    for path in sources + sorted(p for p in workload_dir.rglob("*") if p.is_file()):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _debian_version() -> str:
    return Path("/etc/debian_version").read_text(encoding="utf-8").strip()


def _installed_packages() -> str:
    return run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n"]).stdout


def ensure(ground: Ground, say: Say) -> Path:
    """Return the layer file of this machine's image, building it when there is none.

    Args:
        ground: where images are kept.
        say: is called with one line per step of a build.

    Raises:
        GroundError: the build failed; the message holds the end of its output.
    """
    ground.images_dir.mkdir(parents=True, exist_ok=True)
    wanted = ground.images_dir / digest()
    with _building(ground.images_dir):
        _remove_leftovers(ground.images_dir)
        if not (wanted / "layer.ext4").exists():
            say(f"building the drill image {wanted.name} (once; installs {len(PACKAGES)} packages into a layer)")
            _build(wanted, say)
        os.utime(wanted)
        _forget_old(ground.images_dir, keep=wanted)
    return wanted / "layer.ext4"


@contextmanager
def _building(images_dir: Path) -> Generator[None, None, None]:
    with (images_dir / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _packages_at_rest() -> Generator[None, None, None]:
    """Keep apt and dpkg of the machine from changing its root, and their database, under the build."""
    with DPKG_LOCK.open("a", encoding="utf-8") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def _remove_leftovers(images_dir: Path) -> None:
    """Remove builds that were killed; the lock is held, so none of them is running."""
    for stale in images_dir.glob(".build-*"):
        shutil.rmtree(stale)


def _forget_old(images_dir: Path, keep: Path) -> None:
    """Remove all but the newest images; a host that still runs on one holds its file open."""
    images = sorted((p for p in images_dir.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for old in images[:-KEPT_IMAGES]:
        if old != keep:
            shutil.rmtree(old)


def _build(wanted: Path, say: Say) -> None:
    building = wanted.with_name(f".build-{wanted.name}")
    building.mkdir()
    try:
        _format(building / "layer.ext4")
        with _packages_at_rest():
            _install(building, say)
        building.rename(wanted)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _format(layer: Path) -> None:
    with layer.open("wb") as file:
        file.truncate(LAYER_BYTES_MAX)
    # No journal: the layer is written once and then only read.
    run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-F", str(layer)])


def _install(building: Path, say: Say) -> None:
    """Run the builder in namespaces that end with it, and it with us."""
    argv = [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL"),
        *(sys.executable, "-m", "ordertrainer.ground.image_build", str(building), str(WORKLOAD_DIR)),
    ]
    tail: list[str] = []
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as builder:
        try:
            for line in builder.stdout or ():
                tail = [*tail[-40:], line]
                if line.startswith("== "):
                    say("  " + line[3:].rstrip())
            builder.wait(BUILD_TIMEOUT_S)
        except BaseException:
            builder.kill()
            raise
    if builder.returncode:
        raise GroundError(f"the drill image could not be built:\n{''.join(tail)}")
