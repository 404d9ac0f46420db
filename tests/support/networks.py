"""A network of a test's own. Touches the calling thread's network namespace; needs root and ip(8)."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
LINKS = """\
link set lo up
link add net0 type veth peer name far0
link set net0 addrgenmode none
link set far0 addrgenmode none
address add 10.1.0.1/24 dev net0
address add fd00::1/64 dev net0 nodad
link set net0 up
link set far0 up
route add 10.97.0.0/24 via 10.1.0.2 dev net0
route add ::/0 via fd00::2 dev net0 metric 50
"""


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Move the calling thread into a network that holds ``net0``, a link with addresses and routes, and its other end.

    Whatever it starts is there too. Skips the test where that is not allowed.
    """
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs root and ip(8)")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "-batch", "-"], input=LINKS, text=True, check=True)
            yield
        finally:
            assert LIBC.setns(before, CLONE_NEWNET) == 0
    finally:
        os.close(before)


def sh(*commands: str) -> None:
    """Run commands of ip(8) and tc(8), each a line."""
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True)


def said(command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout
