"""Whether this machine can hold a drill, and what it needs first.

Touches: the environment variable NO_APT; apt, when packages are missing and it is allowed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from ordertrainer.ground.cgroups import hierarchies
from ordertrainer.ground.errors import GroundError, MissingToolsError, NotRootError
from ordertrainer.ground.undo import mount_points

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "lxcfs": "lxcfs",
    "nft": "nftables",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "mount": "mount",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "dpkg-query": "dpkg",
}
PART_OF_ROOT = ("/usr", "/var", "/etc", "/lib", "/opt", "/root")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing_packages() -> list[str]:
    """Return the Debian packages that would bring the tools this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:{SEARCH_PATH}"
    return sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)})


def check(say: Callable[[str], None] = print) -> None:
    """Make sure that a drill can run here, installing what is missing unless NO_APT=1.

    Args:
        say: is called with one line for what is installed.

    Raises:
        NotRootError: the caller is not root.
        MissingToolsError: packages are missing and may not be, or could not be, installed.
        GroundError: the machine's layout does not allow clones.
    """
    if os.geteuid() != 0:
        raise NotRootError("needs root: run sudo make drill")
    missing = missing_packages()
    if missing:
        _install(missing, say)
    _check_layout()


def _install(packages: list[str], say: Callable[[str], None]) -> None:
    names = " ".join(packages)
    if os.environ.get("NO_APT") == "1":
        raise MissingToolsError(f"needs these Debian packages: {names} (NO_APT=1 is set, so nothing was installed)")
    if not shutil.which("apt-get"):
        raise MissingToolsError(
            f"needs what these Debian packages bring: {names}; there is no apt-get here, so install it by hand"
        )
    say(f"installing Debian packages: {names}")
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if _apt(install).returncode:
        _apt(["apt-get", "update"])
        done = _apt(install)
        if done.returncode:
            raise MissingToolsError(f"apt-get could not install {names}: {_last_line(done.stdout)}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def _apt(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _check_layout() -> None:
    """Check that the machine's root is one filesystem and its control groups are the kernel's own."""
    apart = sorted(set(PART_OF_ROOT) & set(mount_points()))
    if apart:
        raise GroundError(f"{', '.join(apart)}: separate filesystems; a clone sees the root filesystem only")
    if not any(hierarchy.unified for hierarchy in hierarchies()):
        raise GroundError("no cgroup2 hierarchy under /sys/fs/cgroup: boot with one (every Debian since 11 does)")
    if not Path("/dev/loop-control").exists():
        raise GroundError("/dev/loop-control is missing: run modprobe loop")
