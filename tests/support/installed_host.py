"""A disposable host with orderd installed as a fleet owner installs it, and what tests ask of it. Touches: a disposable host.

What the host is like is asked of the host itself (probes from outside, systemd), never only of orderd.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from ordertrainer.drill.install import build_bundle, install_orderd
from ordertrainer.ground import DisposableHost, unwinding

ORDERCTL = "/opt/orderd/bin/orderctl"
PROGRAMS = ("orderd.service", "orderd-infer.service", "orderd-exec.service", "orderd-zygote.service")
TERMINAL = {"resolved", "escalated", "closed"}


@contextlib.contextmanager
def installed_host(mode: str = "auto") -> Iterator[DisposableHost]:
    """Boot a host, install orderd, wait until it serves; take the host down afterwards."""
    bundle = build_bundle()
    with unwinding(), DisposableHost.up() as host:
        install_orderd(host, bundle, mode=mode)
        yield host


def orderctl(host: DisposableHost, *words: str) -> dict[str, Any]:
    """Return what orderctl says, as JSON; empty when orderd does not answer."""
    done = host.exec([ORDERCTL, *words, "--json"], timeout_s=30)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}


def decisions(host: DisposableHost, count: int = 500) -> list[dict[str, Any]]:
    """Return the newest decisions, oldest first."""
    return list(reversed(orderctl(host, "decisions", "-n", str(count)).get("decisions", [])))


def decided_after(host: DisposableHost, known: set[str]) -> list[dict[str, Any]]:
    """Return the decisions that were not known before, oldest first."""
    return [d for d in decisions(host) if d["id"] not in known]


def unfinished(found: list[dict[str, Any]]) -> list[str]:
    """Return the incidents among decisions whose newest decision is in no terminal state."""
    newest = {d["incidentId"]: d["state"] for d in found}
    return [incident for incident, state in newest.items() if state not in TERMINAL]


def wait(holds: Callable[[], Any], within_s: float, what: str) -> float:
    """Wait until something holds.

    Returns:
        Seconds it took.

    Raises:
        AssertionError: it did not in time; says what.
    """
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"{what}: not within {within_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - began


def is_active(host: DisposableHost, unit: str) -> bool:
    """Tell whether a unit runs, by systemd's word."""
    return host.exec(["systemctl", "is-active", "--quiet", unit]).returncode == 0


def main_pid(host: DisposableHost, unit: str) -> int:
    """Return the main process of a unit, 0 without one."""
    return int(host.exec(["systemctl", "show", "-P", "MainPID", unit]).stdout.strip() or 0)


def shell(host: DisposableHost, script: str, timeout_s: float = 60.0) -> str:
    """Run a script in the host and return what it printed, whatever its exit status."""
    return host.exec(["bash", "-c", script], timeout_s=timeout_s).stdout


def reconfigure(host: DisposableHost, change: Callable[[str], str]) -> None:
    """Change orderd.toml, check it, and restart the programs that read it."""
    path = host.proc_root / "etc/orderd/orderd.toml"
    path.write_text(change(path.read_text()))
    host.exec(["/opt/orderd/bin/orderd", "check"], check=True)
    host.exec(["systemctl", "restart", "orderd-exec.service", "orderd.service"], check=True, timeout_s=60)
    wait(lambda: orderctl(host, "status"), 20, "orderd answers again")


def widened(text: str) -> str:
    """Return an orderd.toml whose budgets are wide enough for a hundred repairs in minutes."""
    text = re.sub(r"(?m)^(repairs_per_(target|host)_per_hour|failed_verifications_max|repairs_per_minute) = .*\n", "", text)
    budgets = "repairs_per_target_per_hour = 1000\nrepairs_per_host_per_hour = 1000\nfailed_verifications_max = 10\n"
    text = text.replace("[decision]\n", f"[decision]\n{budgets}", 1)
    return text.replace("[executor]\n", "[executor]\nrepairs_per_minute = 600\n", 1)
