"""Runs the machine's own programs, always by argument list and with a time limit.

Touches: subprocess. No shell ever parses a value: the one `sh` line below is a constant and gets its values as arguments.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from ordertrainer.ground.errors import CommandError

TIMEOUT_S = 30.0

# A process cannot be moved between fork and exec by subprocess without preexec_fn, which is unsafe beside threads.
JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 97; shift; done; shift; exec "$@"'


def run(
    argv: Sequence[str], *, timeout_s: float = TIMEOUT_S, stdin: str | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said.

    Args:
        argv: the program and its arguments.
        timeout_s: seconds after which it is killed.
        stdin: text for its standard input; None gives it none.
        check: False returns a failure instead of raising it.

    Raises:
        CommandError: it returned non-zero and `check` is set, or it ran past `timeout_s`.
    """
    try:
        done = subprocess.run(
            list(argv), capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False, input=stdin or ""
        )
    except subprocess.TimeoutExpired as late:
        raise CommandError(argv, -1, f"not finished after {timeout_s:g} s") from late
    if check and done.returncode:
        raise CommandError(argv, done.returncode, done.stderr + done.stdout)
    return done


def joined(cgroups: Iterable[Path], argv: Sequence[str]) -> list[str]:
    """Return the command that moves itself into `cgroups` and then becomes `argv`."""
    return ["/bin/sh", "-c", JOIN, "join", *(str(group / "cgroup.procs") for group in cgroups), "--", *argv]
