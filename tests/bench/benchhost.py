"""A disposable host with orderd on it, for benchmarks that need one, and one line instead of a traceback where there can be none.

Touches: the bundle under out/bundle, a disposable host; nothing of it is left afterwards. Needs root, as a drill does.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orderd.errors import OrderdError
from ordertrainer.drill.install import build_bundle, install_orderd
from ordertrainer.ground import DisposableHost, check, unwinding

EXIT_CANNOT = 2
STATUS = ("/opt/orderd/bin/orderctl", "status", "--json")


def say(line: str) -> None:
    """Print one line of progress where it does not mix with the figures."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def installed() -> Iterator[DisposableHost]:
    """Boot a host, install orderd with the fleet's playbook, and take the host down at the end of the block."""
    check(say)
    say("building the release bundle")
    bundle = build_bundle()
    with unwinding(), DisposableHost.up(say=say) as host:
        say(f"installing orderd into {host.name}")
        install_orderd(host, bundle)
        yield host


def model(host: DisposableHost | None) -> str:
    """Return the order model that orderd has loaded on a host, None for this machine: its version, empty without one."""
    done = host.exec(STATUS) if host else subprocess.run(STATUS, capture_output=True, text=True, check=False)
    try:
        return str(json.loads(done.stdout)["model"]["version"])
    except (ValueError, KeyError):
        return ""


def measured(measure: Callable[[], int]) -> int:
    """Return the exit status of a measurement; 2 and one line when this machine cannot hold a host."""
    try:
        return measure()
    except OrderdError as error:
        say(f"error: {error}")
        return EXIT_CANNOT
