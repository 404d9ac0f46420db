"""Asks sshd and sudo whether they can read their configuration, and writes down what they say. Root; orderd-login-check.service.

Both programs read files that are root's alone, and orderd is not root. So this looks, once at a boot and whenever one of the
files changes, and leaves the answer for orderd to read. Starts `sshd -t` and `visudo -c`; writes one file under /run.
Imports the standard library only, because it is started anew every time.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

STATE: Final = Path("/run/orderd-login-check/state.json")
CHECKS: Final = {"sshd": ("/usr/sbin/sshd", "-t"), "sudo": ("/usr/sbin/visudo", "-c")}
WATCHED: Final = tuple(map(Path, ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d", "/etc/sudoers", "/etc/sudoers.d")))
"""What the path unit watches."""
SETTLE_S: Final = 0.2
ROUNDS_MAX: Final = 5
_TIMEOUT_S: Final = 10.0
# About the moment, not about the configuration: sshd was never started since the boot, or there is no network in here.
_PASSING: Final = ("Missing privilege separation directory", "bad addr or host")


def complaint(command: tuple[str, ...]) -> str | None:
    """Return the first line of what a program has to say against its configuration.

    Returns:
        Empty when it is satisfied; None when it is not installed, or does not answer.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
    if done.returncode == 0 or any(words in said for words in _PASSING):
        return ""
    return said.partition("\n")[0].strip() or f"exit status {done.returncode}"


def look() -> dict[str, str]:
    """Return what each program says, once nothing has changed while it was asked."""
    found: dict[str, str] = {}
    for _ in range(ROUNDS_MAX):
        time.sleep(SETTLE_S)  # whoever changes one file often changes another
        before = tuple(_stamps())
        said = {program: complaint(command) for program, command in CHECKS.items()}
        found = {program: words for program, words in said.items() if words is not None}
        if tuple(_stamps()) == before:
            break
    return found


def _stamps() -> Iterator[tuple[str, int, int, int]]:
    for path in WATCHED:
        try:
            names = sorted(path.iterdir()) if path.is_dir() else []
            for each in (path, *names):
                status = os.lstat(each)
                yield str(each), status.st_ino, status.st_mtime_ns, status.st_ctime_ns
        except OSError:  # not there, or gone just now
            continue


def main() -> int:
    """Look, and write down what was found, as a whole."""
    found = look()
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(found), encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(STATE)
    for program, words in found.items():
        sys.stdout.write(f"{program}: {words or 'can read its configuration'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
