"""Breaks files in the very way that the steps of the revert look for, so that what is written and what is undone cannot differ.

Touches: the files that the revert's steps name, and systemd where they configure it. Takes turns with the revert: once that has
run, nothing is changed any more.
"""

from __future__ import annotations

import fcntl

import records
from machine import run
from undo import files


def change() -> dict:
    """Make every change to a file that the revert can undo, in the order of its steps.

    Raises:
        OSError: the experiment is over, or a file is not what it was when the revert was armed. No refusal: something was touched
            before, if only the unit that the file is for.
    """
    try:
        lock = records.LOCK.open("w", encoding="ascii")
    except FileNotFoundError:
        raise OSError("the experiment is over") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not records.BASELINE.exists():
            raise OSError("the experiment is over")
        entries = [e for e in records.load(records.BASELINE)["revert"] if e["step"]["undo"] in files.CHANGES]
        for entry in entries:
            files.CHANGES[entry["step"]["undo"]](entry["step"], entry["before"])
    paths = [entry["step"]["path"] for entry in entries]
    if any(path.startswith(files.UNIT_DIRECTORIES) for path in paths):
        run("systemctl", "daemon-reload")
    return {"changed": paths}
