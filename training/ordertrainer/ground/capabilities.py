"""Gives a program that enters a clone from outside no more power than the clone's own processes have.

Touches: /proc/PID/status.
"""

from __future__ import annotations

from pathlib import Path


def as_of(pid: int) -> list[str]:
    """Return the command prefix that limits a program to the capabilities `pid` can ever have."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    return ["setpriv", f"--bounding-set={bounding_set(status)}", "--inh-caps=-all"]


def bounding_set(status: str) -> str:
    """Return the bounding set in the text of `/proc/PID/status` in the words of setpriv(1), by number."""
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:"))
    return ",".join(["-all", *(f"+cap_{bit}" for bit in range(mask.bit_length()) if mask >> bit & 1)])
