"""Tells systemd that a program is ready. Touches the notify socket, when there is one."""

import socket


def notify(state: str, address: str) -> None:
    """Send one state line to systemd.

    Args:
        state: for example ``READY=1``.
        address: value of NOTIFY_SOCKET; empty: do nothing.
    """
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
