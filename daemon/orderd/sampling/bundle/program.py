"""Looks at the host for a diagnosis bundle; a program of its own, thrown away afterwards. Reads /proc, /etc, logs, the journal.

    python -I -S program.py '{"unit": "nginx.service", "limit_s": 5.0}'

Prints one JSON line per part as soon as the part is there, so that one that hangs (a dead mount, a slow journal) costs itself
only: ``{"part": NAME, "seconds": N, "value": ...}`` or ``{"part": NAME, "seconds": N, "error": WHY}``. Standard library only.
Everything that is read is data: lines are cut, nothing is interpreted.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

LOG_LINES: Final = 100
LINE_MAX: Final = 1000
TOP: Final = 10
PROCESSES_MAX: Final = 8000
CPU_OVER_S: Final = 0.5
TAIL_BYTES: Final = 16_384
TAIL_LINES: Final = 50
FILES_MAX: Final = 200
MOUNTS_MAX: Final = 200
MOUNT_ANSWER_S: Final = 1.0
HOUR_S: Final = 3600.0
PACKAGE_LOGS: Final = (
    "/var/log/dpkg.log",
    "/var/log/apt/history.log",
    "/var/log/dnf.rpm.log",
    "/var/log/yum.log",
    "/var/log/zypp/history",
)
UNIT_FOLDERS: Final = ("/etc/systemd/system", "/run/systemd/system", "/run/systemd/transient", "/etc/systemd/system.control")
_KEYS: Final = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key)"
_SECRET: Final = re.compile(rf"([\w.-]*{_KEYS}[\w.-]*[=:]\s*)\S+|((?:^|\s)-{{1,2}}[\w-]*{_KEYS}[\w-]*\s+)(?!-)\S+", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+@")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_NOT_DISKS: Final = frozenset(
    {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "bpf", "pstore"}
)


def log(unit: str, limit_s: float) -> list[str]:
    """Return the last lines of a unit's log, of the host's warnings where there is no unit."""
    which = [f"--unit={unit}"] if unit else ["--priority=warning"]
    argv = ["journalctl", *which, f"--lines={LOG_LINES}", "--no-pager", "--output=short-iso-precise"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    if done.returncode:
        raise OSError(f"journalctl returned {done.returncode}: {_text(done.stderr)[:LINE_MAX]}")
    lines = [line[:LINE_MAX] for line in _text(done.stdout).splitlines()[-LOG_LINES:] if not line.startswith("-- ")]
    if not lines and done.stderr:
        raise PermissionError(_text(done.stderr).strip()[:LINE_MAX])  # user orderd is not in group systemd-journal
    return lines


def units_changed(limit_s: float) -> list[str]:
    """Return the services whose state changed within the last hour, the newest first."""
    wanted = "--property=Id,ActiveState,SubState,Result,StateChangeTimestampMonotonic"
    argv = ["systemctl", "show", "--type=service", wanted, "--", "*"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    if done.returncode:
        raise OSError(f"systemctl returned {done.returncode}: {_text(done.stderr)[:LINE_MAX]}")
    now_s = time.clock_gettime(time.CLOCK_MONOTONIC)
    found = []
    for block in _text(done.stdout).split("\n\n"):
        said = {name: value for name, _, value in (line.partition("=") for line in block.splitlines())}
        age_s = now_s - int(said.get("StateChangeTimestampMonotonic") or 0) / 1e6
        if said.get("StateChangeTimestampMonotonic", "0") != "0" and age_s < HOUR_S:
            state = f"{said.get('ActiveState')}/{said.get('SubState')} ({said.get('Result')})"
            found.append((age_s, f"{said.get('Id')}: {state}, {age_s:.1f} s ago"))
    return [line[:LINE_MAX] for _, line in sorted(found)[:FILES_MAX]]


def processes() -> dict[str, list[dict[str, Any]]]:
    """Return the processes that use most of the CPU (over half a second), of memory, and of the disk (where we may see it)."""
    before = dict(_stats())
    time.sleep(CPU_OVER_S)
    rows = []
    for pid, (name, ticks, rss) in _stats():
        since = before.get(pid, (name, ticks, rss))[1]
        row = {"pid": pid, "name": name, "cpu_cores": round((ticks - since) / _TICKS_PER_S / CPU_OVER_S, 3)}
        rows.append(row | {"memory_bytes": rss * _PAGE_BYTES, "io_bytes": _io_bytes(pid)})
    return {key: _top(rows, key) for key in ("cpu_cores", "memory_bytes", "io_bytes")}


def _top(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    known = sorted((row for row in rows if row[key]), key=lambda row: row[key], reverse=True)[:TOP]
    return [row | {"command": _command(row["pid"])} for row in known]


def _stats() -> Iterator[tuple[int, tuple[str, int, int]]]:
    for entry in sorted(each.name for each in Path("/proc").iterdir())[:PROCESSES_MAX]:
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_bytes().decode(errors="replace")
            except OSError:  # ended in the meantime
                continue
            fields = text[text.rindex(")") + 2 :].split()
            yield int(entry), (text[text.index("(") + 1 : text.rindex(")")], int(fields[11]) + int(fields[12]), int(fields[21]))


def _io_bytes(pid: int) -> int | None:
    try:
        said = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):  # other people's are hidden from us
        return None
    return int(said["read_bytes"]) + int(said["write_bytes"])


def _command(pid: int) -> str:
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            return without_secrets(_text(file.read(400)).replace("\0", " ").strip())
    except OSError:
        return ""


def without_secrets(command: str) -> str:
    """Return a command line without what looks like a password: a bundle outlives the process and is sent to people."""
    return _IN_URL.sub(r"\1***@", _SECRET.sub(r"\1\2***", command))


def packages() -> dict[str, list[str]]:
    """Return the end of every package manager's log that we may read."""
    found = {}
    for path in PACKAGE_LOGS:
        try:
            with Path(path).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                found[path] = [line[:LINE_MAX] for line in _text(file.read(TAIL_BYTES)).splitlines()[-TAIL_LINES:]]
        except FileNotFoundError:
            continue
        except OSError as error:
            found[path] = [f"cannot be read: {error.strerror}"]
    return found


def unit_files() -> list[str]:
    """Return the unit files and drop-ins that were changed within the last hour, the newest first."""
    now_s, found = time.time(), []
    for folder in UNIT_FOLDERS:
        for top, _, names in os.walk(folder):
            for name in names[:FILES_MAX]:
                path = Path(top, name)
                try:
                    age_s = now_s - path.lstat().st_mtime
                except OSError:
                    continue
                if age_s < HOUR_S:
                    found.append((age_s, f"{path}, {age_s:.0f} s ago"))
    return [line[:LINE_MAX] for _, line in sorted(found)[:FILES_MAX]]


def mounts() -> list[dict[str, Any]]:
    """Return every mount with its space; of one that hangs it is said that it does."""
    text = _text(Path("/proc/1/mountinfo").read_bytes() if os.access("/proc/1/mountinfo", os.R_OK) else b"")
    text = text or Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    rows = []
    for line in text.splitlines()[:MOUNTS_MAX]:
        before, _, after = line.partition(" - ")
        point, kind = before.split(" ")[4].replace("\\040", " "), after.split(" ")[0]
        row = {"path": point, "type": kind, "source": after.split(" ")[1], "options": before.split(" ")[5]}
        rows.append(row if kind in _NOT_DISKS else row | _space(point))
    return rows


def _space(point: str) -> dict[str, Any]:
    answer: dict[str, Any] = {}

    def ask() -> None:
        try:
            space = os.statvfs(point)
        except OSError as error:
            answer["error"] = error.strerror
            return
        used = space.f_blocks - space.f_bfree
        answer.update(bytes=space.f_blocks * space.f_frsize, free_bytes=space.f_bavail * space.f_frsize)
        answer.update(
            used_ratio=round(used / (used + space.f_bavail), 4) if used + space.f_bavail else None, inodes_free=space.f_ffree
        )

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(MOUNT_ANSWER_S)
    return answer or {"error": f"no answer in {MOUNT_ANSWER_S:g} s"}


def host() -> dict[str, Any]:
    """Return load, memory and pressure as the kernel tells them."""
    found = {}
    for path in ("loadavg", "uptime", "meminfo", "pressure/cpu", "pressure/memory", "pressure/io"):
        try:
            found[path] = Path(f"/proc/{path}").read_text(encoding="utf-8", errors="replace")[:4000].splitlines()
        except OSError as error:
            found[path] = [f"cannot be read: {error.strerror}"]
    return found


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


class _Told:
    """Prints parts, one line each, from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def run(self, name: str, part: Callable[[], Any]) -> None:
        began = time.monotonic()
        line: dict[str, Any] = {"part": name}
        try:
            line["value"] = part()
        except Exception as error:  # noqa: BLE001  a part that fails says so and costs nobody else
            line["error"] = f"{type(error).__name__}: {error}"[:LINE_MAX]
        line["seconds"] = round(time.monotonic() - began, 3)
        with self._lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def main() -> None:
    """Collect every part side by side; what is not there when time is up is left behind."""
    asked = json.loads(sys.argv[1])
    limit_s = float(asked["limit_s"])
    parts: dict[str, Callable[[], Any]] = {
        "log": lambda: log(asked["unit"], limit_s),
        "processes": processes,
        "packages": packages,
        "units_changed": lambda: units_changed(limit_s),
        "unit_files": unit_files,
        "mounts": mounts,
        "host": host,
    }
    told, deadline = _Told(), time.monotonic() + limit_s
    threads = [threading.Thread(target=told.run, args=(name, part), daemon=True) for name, part in parts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    os._exit(0)  # a thread that hangs in the kernel must not keep us


if __name__ == "__main__":
    main()
