"""The known-good record: what it holds may be put back as root, so only root may have written it. Reads the disk."""

import os
import stat


class RecordRefused(Exception):
    """The record is missing or somebody other than root could have written it."""


def check_trusted(path):
    """Refuse a file or folder that another user could have changed.

    Raises:
        RecordRefused: it is missing, or not root's alone.
    """
    try:
        status = os.lstat(path)
    except OSError as error:
        raise RecordRefused("%s: no known-good record (%s); make one while the host is healthy" % (path, error.strerror))
    writable = not stat.S_ISLNK(status.st_mode) and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if status.st_uid != 0 or writable:
        raise RecordRefused("%s: owned by %d, mode %o; allowed: root's alone" % (path, status.st_uid, stat.S_IMODE(status.st_mode)))
