"""The host itself: its kernel settings, its name, what /etc/hosts says of the watched name; and copies of the files behind them.

What everybody may know lies in one JSON file, so that the daemon can compare; the files themselves are root's alone. Touches the
disk and /proc/sys.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orderd.config.schema import Config
from orderd.sampling.known_good import copies
from orderd.sampling.known_good.writing import write_json

SETTINGS = "settings.json"
HOST_FILES = "host"
PROC_SYS = Path("/proc/sys")
HOSTS = Path("/etc/hosts")
HOSTNAME = Path("/etc/hostname")
FOLDERS = (Path("/etc/ssh/sshd_config.d"), Path("/etc/sudoers.d"), Path("/etc/sysctl.d"))
FILES = (HOSTS, HOSTNAME, Path("/etc/ssh/sshd_config"), Path("/etc/sudoers"), Path("/etc/sysctl.conf"))
_FILES_MAX = 200
_FILE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """What is known to be good of the host itself.

    Attributes:
        settings: sysctl name -> the words of its value.
        hostname: the kernel's.
        hostname_file: the name in /etc/hostname, empty when there was none.
        name: the name that the resolver is asked for, empty when it was not watched.
        addresses: what /etc/hosts answered for it.
    """

    settings: dict[str, str]
    hostname: str
    hostname_file: str
    name: str
    addresses: frozenset[str]


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down settings and names, and copy the files that repairs put back.

    With ``keep`` only what is not known yet is added: another setting that is watched, another name that is asked for.
    """
    target, files = root / SETTINGS, root / HOST_FILES
    known = json.loads(target.read_text(encoding="utf-8")) if keep and target.exists() else {}
    found = _now(config) | {key: known[key] for key in ("hostname", "hostname_file") if key in known}
    found["settings"] = {key: known.get("settings", {}).get(key, value) for key, value in found["settings"].items()}
    if known.get("resolver", {}).get("name") == found["resolver"]["name"]:
        found["resolver"] = known["resolver"]
    written = [] if found == known else [write_json(found, target)]
    if not (keep and files.exists()):
        written += copies.record(files, files=_files(), folders=[str(folder) for folder in FOLDERS if folder.is_dir()])
    return written


def _now(config: Config) -> dict[str, Any]:
    name = config.resolver.name
    found = {key: value for key in config.host.settings if _everybodys(key) and (value := setting(key)) is not None}
    return {
        "settings": found,
        "hostname": os.uname().nodename,
        "hostname_file": name_in(text_of(HOSTNAME)),
        "resolver": {"name": name, "addresses": sorted(addresses_of(name, text_of(HOSTS)))},
    }


def _files() -> Iterator[str]:
    """Yield the files to copy; links are left out, because what they lead to is somebody else's."""
    below = (path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.iterdir())[:_FILES_MAX])
    for path in (*FILES, *below):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _FILE_BYTES_MAX:
            yield str(path)


def _everybodys(key: str) -> bool:
    """Tell whether the daemon, which is not root, can compare a setting."""
    try:
        return bool(setting_file(key).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def read_record(root: Path) -> HostRecord:
    """Return what was recorded.

    Raises:
        OSError: there is no record, or it cannot be read.
        ValueError: it is no record of ours.
    """
    found = json.loads((root / SETTINGS).read_text(encoding="utf-8"))
    try:
        return HostRecord(
            settings=dict(found["settings"]),
            hostname=found["hostname"],
            hostname_file=found["hostname_file"],
            name=found["resolver"]["name"],
            addresses=frozenset(found["resolver"]["addresses"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{root / SETTINGS}: {error}") from error


class RecordFile:
    """The record of the host, read again only when it is another file."""

    def __init__(self, root: Path) -> None:
        """Read under ``root``, the known good directory; nothing is read yet."""
        self._root = root
        self._stamp: tuple[int, int, int] | None = None
        self._record: HostRecord | None = None

    def read(self) -> HostRecord | None:
        """Return what is recorded; None when there is no record, or none that can be read."""
        now = stamp(self._root / SETTINGS)
        if now != self._stamp:
            self._stamp, self._record = now, None
            with contextlib.suppress(OSError, ValueError):
                self._record = read_record(self._root)
        return self._record


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what differs when a path is another file or was written; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def setting_file(key: str) -> Path:
    """Return where a kernel setting is read."""
    return PROC_SYS / key.replace(".", "/")


def setting(key: str) -> str | None:
    """Return the words of a kernel setting of this network namespace; None when there is no such setting, or not for us."""
    try:
        return " ".join(setting_file(key).read_bytes().decode(errors="replace").split())
    except OSError:
        return None


def name_in(text: str) -> str:
    """Return the name in a text like /etc/hostname, empty when there is none: the first line that is no comment."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")


def addresses_of(name: str, text: str) -> frozenset[str]:
    """Return the addresses that a text like /etc/hosts gives a name, which is the same in capitals."""
    wanted = name.lower()
    lines: Iterable[list[str]] = (line.partition("#")[0].split() for line in text.splitlines())
    return frozenset(words[0] for words in lines if wanted and wanted in (word.lower() for word in words[1:]))


def text_of(path: Path) -> str:
    """Return the text of a small file, empty when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode(errors="replace")
    except OSError:
        return ""
