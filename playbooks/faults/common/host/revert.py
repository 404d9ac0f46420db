"""Undoes a fault, whoever asks: the injector, the timer, or the boot after a crash. One logic for all three.

Touches: what the undo steps touch. Two that run at once take turns, and the second finds nothing left to do.
"""

from __future__ import annotations

import fcntl
import subprocess

import records
import undo
from disarm import disarm
from failures import Refused

FAILURES = (OSError, ValueError, Refused, subprocess.SubprocessError)


def revert() -> dict:
    """Undo every step that is still the fault's doing, then disarm.

    Returns:
        What was done about each step; ``failed`` names what could not be undone, and then the experiment stays armed.
    """
    try:
        lock = records.LOCK.open("w", encoding="ascii")
    except FileNotFoundError:
        return {"reverted": [], "because": "it was reverted before"}
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not records.BASELINE.exists():
            return {"reverted": [], "because": "it was reverted before"}
        return _undo_all(records.load(records.BASELINE))


def _undo_all(baseline: dict) -> dict:
    done, failed = [], []
    for entry in baseline["revert"]:
        try:
            done.append(undo.revert(entry["step"], entry["before"], baseline["boot_id"]))
        except FAILURES as error:  # the other steps are worth doing whatever happened to this one
            failed.append(f"{entry['step']['undo']}: {error}")
    if failed:
        return {"reverted": done, "failed": failed}
    disarm()
    return {"reverted": done}
