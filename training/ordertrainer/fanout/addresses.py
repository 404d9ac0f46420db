"""How a cluster is named, as Ray names it. Pure, but for one connection that shows whether anybody answers.

    local               a cluster of its own on this machine, for as long as the command runs
    auto                the cluster that runs on this machine, or that RAY_ADDRESS names
    HOST:PORT           the cluster with this head, of which this machine is a node
    ray://HOST:PORT     the same from a machine that is none, through the head's client port (10001)

Who may reach a cluster may run anything there as its user: that is Ray's model, and its owner's concern.
"""

import re
import socket
from typing import Final

from ordertrainer.fanout.errors import AddressError

LOCAL: Final = "local"
AUTO: Final = "auto"
FORMS: Final = "local, auto, HOST:PORT or ray://HOST:PORT"
HELP: Final = f"Fan out on a Ray cluster: {FORMS}. Without it all is done in this process."
ANSWER_S: Final = 5.0
_PLACE: Final = re.compile(r"(?:ray://)?(?P<host>\[[0-9A-Fa-f:]+\]|[\w.-]+):(?P<port>\d{1,5})")
_PORT_MAX: Final = 65535


def check(address: str, *, answer_s: float = ANSWER_S) -> None:
    """Refuse what is no address, and one where nobody listens: Ray itself would try for minutes.

    Args:
        address: as given.
        answer_s: to wait for a connection.

    Raises:
        AddressError: in either case.
    """
    if address in {LOCAL, AUTO}:
        return
    found = _PLACE.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= _PORT_MAX:
        raise AddressError(f"--ray {address}: no address of a Ray cluster; one of: {FORMS}")
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), answer_s).close()
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise AddressError(f"--ray {address}: nothing answers there ({why}); `ray start --head` begins a cluster") from error
