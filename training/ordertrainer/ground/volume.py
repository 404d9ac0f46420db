"""The clone's own disk: a file behind a loop device, mounted by the clone as a host mounts its disks.

Touches: losetup, mkfs.ext4; files under the clone's root, before it boots.

Nothing of it is mounted out here. A file system is one thing in the kernel, however many namespaces have it mounted: only what is
mounted in the clone alone can be unmounted there for good, checked, and mounted again.
"""

from __future__ import annotations

import time
from pathlib import Path

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.shell import run

POINT = "/srv/data"
BYTES = 256 << 20
DETACH_S = 2.0
DETACH_POLL_S = 0.02

# A line of fstab is what people and repairs go by, but inside a container systemd makes no unit of it.
FSTAB = "{device} {point} ext4 defaults,nofail 0 2\n"
UNIT_DIR = "etc/systemd/system"
UNIT_NAME = "srv-data.mount"
UNIT = """\
[Unit]
Description=The data of this host

[Mount]
What={device}
Where={point}
Type=ext4
"""


def make(file: Path, root: Path) -> None:
    """Make the file system, with a directory for the worker of the workload, and no more below the path it is mounted on."""
    point = root / POINT.lstrip("/")
    with file.open("wb") as volume:
        volume.truncate(BYTES)
    (point / "worker").mkdir(parents=True, exist_ok=True)
    run(["chroot", str(root), "chown", "drillworker:drillworker", f"{POINT}/worker"])
    # Blocks of a page: with smaller ones a writer of pages stops while a writer of lines still finds room.
    run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-L", "drill-data", "-d", str(point), str(file)])
    (point / "worker").rmdir()


def attach(file: Path) -> str:
    """Put the file behind a loop device and return its path."""
    return run(["losetup", "--find", "--show", str(file)]).stdout.strip()


def tell(root: Path, device: str) -> None:
    """Tell the clone under `root` to mount the device when it boots."""
    values = {"device": device, "point": POINT}
    (root / "etc/fstab").write_text(FSTAB.format(**values), encoding="ascii")
    (root / UNIT_DIR / UNIT_NAME).write_text(UNIT.format(**values), encoding="ascii")
    wants = root / UNIT_DIR / "local-fs.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / UNIT_NAME).symlink_to(f"/{UNIT_DIR}/{UNIT_NAME}")


def devices(file: Path) -> list[str]:
    """Return the loop devices that the file is behind."""
    return [f"/dev/{path.parts[3]}" for path in Path("/sys/block").glob("loop*/loop/backing_file") if _names(path, file)]


def _names(path: Path, file: Path) -> bool:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n") == str(file)
    except OSError:  # it was detached while we looked
        return False


def device(file: Path) -> str:
    """Return the loop device that the file is behind.

    Raises:
        GroundError: it is behind none.
    """
    for each in devices(file):
        return each
    raise GroundError(f"{file}: no loop device holds it any more")


def number(device: str) -> str:
    """Return MAJOR:MINOR of a block device."""
    return Path("/sys/class/block", Path(device).name, "dev").read_text(encoding="ascii").strip()


def detach(file: str) -> None:
    """Give the device back; it goes with the last mount of it, and mounts go with the last process of their namespace."""
    deadline = time.monotonic() + DETACH_S
    while (held := devices(Path(file))) and time.monotonic() < deadline:
        for each in held:
            run(["losetup", "--detach", each], check=False)
        time.sleep(DETACH_POLL_S)
