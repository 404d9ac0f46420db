"""Arms the revert before anything is broken: baseline on disk, a timer and a boot unit that do not depend on the injector.

Touches: /var/lib/orderd-chaos, /etc/systemd/system, transient units. If any part of it fails, all of it is taken back and the
fault must not be injected.
"""

from __future__ import annotations

import json
import time

import guard
import needs
import records
import sights
import undo
from disarm import disarm
from failures import Refused
from machine import boot_id, run, show

KEYS = {"experiment", "ttl_s", "needs", "landed", "revert"}
OPTIONAL = {"about"}
TTL_S_MAX = 3600
PYTHON = "/usr/bin/python3 -BEs"

UNIT_TEXT = """\
[Unit]
Description=Reverts the experiment {experiment}
ConditionPathExists={home}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={python} {home} revert
Restart=on-failure
RestartSec=2
RuntimeMaxSec=120
"""


def arm(text: str) -> dict:
    """Capture the baseline, then start the timer, the boot unit and the witness.

    Args:
        text: the request as JSON, with exactly KEYS; `about` says what its owner may want to know before he allows it.

    Raises:
        Void: the host lacks what the fault needs.
        Refused: the request or the host's state is not as it has to be.
    """
    try:
        request = _checked(json.loads(text))
        about = request.get("about", {})
        needs.check_consent(about and about | {"landed": request["landed"], "revert": request["revert"]})
        needs.check(request["needs"])
        baseline = _baseline(request)
        _start(request, baseline)
    except BaseException:
        disarm()
        raise
    return {"armed": records.EXPERIMENT, "monotonic_ns": baseline["monotonic_ns"]}


def _checked(request: dict) -> dict:
    if set(request) - OPTIONAL != KEYS:
        raise Refused(f"request: keys {sorted(set(request) - OPTIONAL ^ KEYS)} are unknown or missing; allowed: {sorted(KEYS)}")
    if request["experiment"] != records.EXPERIMENT:
        raise Refused(f"experiment = {request['experiment']!r}; allowed: the name of its directory {records.EXPERIMENT!r}")
    if not 0 < request["ttl_s"] <= TTL_S_MAX:
        raise Refused(f"ttl_s = {request['ttl_s']!r}; allowed: up to {TTL_S_MAX}")
    return request


def _baseline(request: dict) -> dict:
    """Return everything the revert and the witness have to know about the time before the fault."""
    return {
        "boot_id": boot_id(),
        "monotonic_ns": time.monotonic_ns(),
        "revert": [{"step": step, "before": undo.capture(step)} for step in request["revert"]],
        "landed": [{"sight": sight, "before": sights.capture(sight)} for sight in request["landed"]],
        # A disposable clone may be cut off from everything; a host that somebody lends may not.
        "guard": guard.capture(request.get("about", {}).get("breaks", [])) if needs.CONSENT.exists() else {},
    }


def _start(request: dict, baseline: dict) -> None:
    records.save(records.BASELINE, baseline)
    values = {"experiment": records.EXPERIMENT, "home": records.HOME, "python": PYTHON}
    records.UNIT_FILE.write_text(UNIT_TEXT.format(**values), encoding="ascii")
    records.BOOT_LINK.parent.mkdir(exist_ok=True)
    records.BOOT_LINK.symlink_to(records.UNIT_FILE)
    ttl = f"--on-startup={_running_s() + request['ttl_s']:.3f}s"
    run("systemd-run", "--quiet", f"--unit={records.UNIT}", ttl, "--timer-property=AccuracySec=100ms")
    lifetime = f"--property=RuntimeMaxSec={request['ttl_s']}"
    command = [*PYTHON.split(), str(records.HOME), "watch"]
    run("systemd-run", "--quiet", "--collect", f"--unit={records.WITNESS}", lifetime, *command)
    if baseline["guard"]:
        command = [*PYTHON.split(), str(records.HOME), "guard"]
        run("systemd-run", "--quiet", "--collect", f"--unit={records.GUARD}", lifetime, *command)
    timer = show(f"{records.UNIT}.timer", "ActiveState", "Unit")
    if timer != {"ActiveState": "active", "Unit": f"{records.UNIT}.service"}:
        raise Refused(f"the timer that reverts in time does not run: {timer}")


def _running_s() -> float:
    """Return how long systemd has run.

    A time counted from there stays where it is; one counted from the timer's own start begins anew at every daemon-reload, and a
    host on which units keep changing would never revert.
    """
    began_us = int(run("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value"))
    return time.monotonic() - began_us / 1e6
