"""What may be put back as root: only what nobody but root could have written. Touches the disk.

Holds for the known-good record and for the quarantine alike. As with ssh's StrictModes, every folder above counts too: whoever
may rename a folder decides what lies under its name.
"""

import json
import os
import stat

QUARANTINE_MODE = 0o700


class RecordRefusedError(Exception):
    """A record is missing, or somebody other than root could have written it."""


def check_trusted(path):
    """Refuse a path that another user could have made lead to something else.

    Raises:
        RecordRefusedError: it is missing, or it or a folder above it is not root's alone.
    """
    absolute = os.path.abspath(path)
    while True:
        _check_one(absolute)
        if absolute == "/":
            return
        absolute = os.path.dirname(absolute)


def recorded(known_good, file, name):
    """Return what one file of the known-good record says of a thing.

    Raises:
        RecordRefusedError: it says nothing of it, or cannot be trusted.
    """
    path = os.path.join(known_good, file)
    check_trusted(path)
    with open(path) as stream:
        entries = json.load(stream)
    if name not in entries:
        raise RecordRefusedError(f"{path} says nothing of {name}; while it is healthy: orderd known-good")
    return entries[name]


def make_quarantine(path):
    """Make the folder for what a repair moves away, and make sure that it is root's alone."""
    os.makedirs(os.path.dirname(os.path.dirname(path)), mode=0o755, exist_ok=True)
    os.makedirs(path, mode=QUARANTINE_MODE, exist_ok=True)
    check_trusted(path)


def _check_one(path):
    try:
        status = os.lstat(path)
    except OSError as error:
        message = f"{path}: no such record ({error.strerror}); make one while the host is healthy: orderd known-good"
        raise RecordRefusedError(message) from error
    mode = status.st_mode
    # In a sticky folder only the owner of an entry can rename it, so the entry's own owner decides.
    loose = mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(mode) and not mode & stat.S_ISVTX
    if status.st_uid != 0 or loose:
        raise RecordRefusedError(f"{path}: owned by {status.st_uid}, mode {stat.S_IMODE(mode):o}; allowed: root's alone")
