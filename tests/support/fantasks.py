"""Tasks for tests of `ordertrainer.fanout`: what other processes are asked to do has to be importable there."""

import os
import random
import signal
import time


def lot(seed, share):
    """Return numbers that follow from a seed, after a while."""
    time.sleep(0.3)
    share(0.5)
    return [random.Random(seed).random() for _ in range(3)]


def place(share):
    """Return which process does it."""
    time.sleep(0.5)
    return os.getpid()


def fail(share):
    """Raise what nobody expects."""
    raise KeyError("an entry")


def fail_after(folder, share):
    """The same, once somebody else has begun."""
    while not (folder / "begun").exists():
        time.sleep(0.1)
    fail(share)


def refuse(share):
    """Raise what says all."""
    raise ValueError("there is no such thing")


def end(times, folder, share):
    """End the process that does it so many times, then return how often that was."""
    ended = len(list(folder.iterdir()))
    if ended < times:
        (folder / str(ended)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return ended


def linger(folder, share):
    """Say that it has begun, wait to be interrupted, and say so."""
    (folder / "begun").touch()
    try:
        for _ in range(6000):
            time.sleep(0.1)
    except KeyboardInterrupt:
        (folder / "interrupted").touch()
        raise
