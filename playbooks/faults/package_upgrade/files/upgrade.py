"""Builds a small package NAME in two versions below DIRECTORY and installs one after the other; scripts take SECONDS in all.

Touches: DIRECTORY, dpkg and its database. No network.
"""

import os
import subprocess
import sys
from pathlib import Path

directory, name, seconds = Path(sys.argv[1], "packages"), sys.argv[2], float(sys.argv[3])
PAYLOAD_BYTES = 4 << 20
CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: Site Operations <root@localhost>
Description: files of this site
"""


def script(path: Path, sleep_s: float) -> None:
    """Write a script of the package that takes its time."""
    path.write_text(f"#!/bin/sh\nset -e\nsleep {sleep_s:.1f}\n", encoding="ascii")
    path.chmod(0o755)


def build(version: str, sleep_s: float) -> Path:
    """Return a package that can be installed."""
    tree, package = directory / version, directory / f"{version}.deb"
    control, payload = tree / "DEBIAN", tree / "usr/share" / name
    for each in (control, payload):
        each.mkdir(parents=True, mode=0o755)
    (control / "control").write_text(CONTROL.format(name=name, version=version), encoding="ascii")
    script(control / "preinst", sleep_s / 3)
    script(control / "postinst", sleep_s * 2 / 3)
    (payload / "release").write_text(f"{version}\n", encoding="ascii")
    (payload / "data").write_bytes(os.urandom(PAYLOAD_BYTES))
    subprocess.run(["dpkg-deb", "--build", "-Znone", "--root-owner-group", tree, package], check=True)
    return package


os.umask(0o022)
for package in [build("1.0", 0.0), build("1.1", seconds)]:
    subprocess.run(["dpkg", "--install", package], check=True, stdin=subprocess.DEVNULL)
