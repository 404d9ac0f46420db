"""Builds the layer of a drill image: `python -m ordertrainer.ground.image_build BUILD_DIR WORKLOAD_DIR`.

Touches: mounts (in the namespace it was started in), apt, the network, and the layer file; prints one `== ` line a step.

It must be started by `image.ensure`, inside a mount and PID namespace of its own: it mounts freely and never unmounts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ordertrainer.ground.image import PACKAGES
from ordertrainer.ground.quiet import SERVICES, quieten

CLUSTER = ("15", "main")
APT = ("apt-get", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confnew", "-o", "Acquire::Retries=3")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}
# People's files, and the images themselves, are no part of a clone.
HIDDEN = ("root", "home", "var/lib/orderd-drill", "var/log/journal")
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def step(text: str) -> None:
    """Tell the caller what is being done."""
    sys.stdout.write(f"== {text}\n")
    sys.stdout.flush()


def command(*argv: str, check: bool = True) -> int:
    """Run a program of the machine with our output as its output."""
    return subprocess.run(argv, check=check, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT).returncode


def inside(root: Path, *argv: str, check: bool = True) -> int:
    """Run a program inside the image."""
    passed = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    return subprocess.run(
        ["chroot", str(root), *argv],
        check=check,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT | passed,
    ).returncode


def mount_root(build: Path) -> Path:
    """Mount the layer over the machine's root and return where."""
    layer, root = build / "mnt", build / "root"
    layer.mkdir()
    root.mkdir()
    command("mount", "-o", "loop", str(build / "layer.ext4"), str(layer))
    (layer / "upper").mkdir(mode=0o755)
    (layer / "work").mkdir()
    for directory in HIDDEN:
        _hide(layer / "upper" / directory)
    options = f"lowerdir=/,upperdir={layer / 'upper'},workdir={layer / 'work'}"
    command("mount", "-t", "overlay", "overlay", "-o", options, str(root))
    command("mount", "-t", "proc", "proc", str(root / "proc"))
    command("mount", "--rbind", "/dev", str(root / "dev"))
    command("mount", "-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    for directory in ("run", "tmp"):
        command("mount", "-t", "tmpfs", "tmpfs", str(root / directory))
    (root / "tmp").chmod(0o1777)
    return root


def _hide(directory: Path) -> None:
    """Put an empty directory in front of the machine's own; removing 100,000 files one by one would take minutes."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755 if directory.name != "root" else 0o700)
    os.setxattr(directory, "trusted.overlay.opaque", b"y")


def install_packages(root: Path) -> None:
    """Install the drill's packages; the lists are fetched when they are missing or too old to work."""
    replace(root / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
    replace(root / "etc/resolv.conf", Path("/etc/resolv.conf").read_text(encoding="utf-8"))
    inside(root, "dpkg", "--configure", "-a")  # in case the machine was interrupted in the middle of an installation
    install = (*APT, "install", "-y", "--no-install-recommends", *PACKAGES)
    if not list((root / "var/lib/apt/lists").glob("*Packages*")) or inside(root, *install, check=False):
        step("apt-get update")
        inside(root, *APT, "update", check=False)  # a dead third-party source is no reason to stop
        inside(root, *install)
    inside(root, "apt-get", "clean")


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file anew, whatever was there, a symbolic link out of the tree included."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def make_cluster(root: Path) -> None:
    """Make a fresh database cluster; the machine's own data has no place in a clone that will be broken."""
    for directory in ("etc/postgresql", "var/lib/postgresql"):
        for version in (root / directory).iterdir():
            if version.is_dir():
                shutil.rmtree(version)
    inside(root, "pg_createcluster", *CLUSTER, "--start-conf=auto", "--", "--auth-host=trust", "--auth-local=trust")


def configure(root: Path, workload: Path) -> None:
    """Lay the workload's files over the image and make its users and directories."""
    for source in sorted((workload / "rootfs").rglob("*")):
        if source.is_file():
            relative = source.relative_to(workload / "rootfs")
            replace(root / relative, source.read_text(encoding="utf-8"))
    inside(root, "chown", "-R", "postgres:postgres", "/etc/postgresql/15/main")
    if inside(root, "id", "drillworker", check=False):
        inside(root, "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "drillworker")
    (root / "srv/data").mkdir(parents=True, exist_ok=True)


def make_certificate(root: Path) -> None:
    """Make the key and the certificate that nginx and PostgreSQL serve; the key is for root and for those who may read keys."""
    key, certificate = "/etc/drill/tls/server.key", "/etc/drill/tls/server.crt"
    (root / "etc/drill/tls").mkdir(parents=True, exist_ok=True)
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650")
    names = ("-subj", "/CN=host.drill.test", "-addext", "subjectAltName=DNS:host.drill.test,IP:127.0.0.1")
    inside(root, "openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", certificate)
    inside(root, "chown", "root:ssl-cert", key)
    (root / key.lstrip("/")).chmod(0o640)


def forget_secrets(root: Path) -> None:
    """Remove the machine's host keys and the build's own traces; people's files were hidden from the start."""
    (root / "var/log/journal").chmod(0o2755)
    (root / "root/.ssh").mkdir(mode=0o700)
    for path in (*(root / "etc/ssh").glob("ssh_host_*"), root / "usr/sbin/policy-rc.d"):
        path.unlink(missing_ok=True)


def main(build: Path, workload: Path) -> None:
    """Build the layer, step by step."""
    root = mount_root(build)
    step(f"installing {' '.join(PACKAGES)}")
    install_packages(root)
    step("configuring nginx, redis, postgresql, dnsmasq and the worker")
    quieten(root)
    make_cluster(root)
    configure(root, workload)
    make_certificate(root)
    forget_secrets(root)
    for service in SERVICES:
        inside(root, "systemctl", "enable", service)
    step("writing the layer")
    command("umount", "--recursive", str(root))
    command("umount", str(build / "mnt"))
    (build / "root").rmdir()
    (build / "mnt").rmdir()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
