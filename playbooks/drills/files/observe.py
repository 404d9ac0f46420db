"""Watches on the host what becomes of an injected fault: the witness's word for the fault, orderd's own for the repair.

Touches: /var/lib/orderd-chaos, orderctl; reads only. Prints one JSON object. Standard library, the host's own Python.

Nobody is believed alone: `repaired` needs a verified repair in orderd's journal and a witness that does not see the fault any
more. Of a fault that can only be seen happening (a process that was killed) the witness cannot tell; then the target's unit has
to run.
"""

import json
import subprocess
import sys
import time

ORDERCTL = "/opt/orderd/bin/orderctl"
POLL_S = 0.5
HOLD_S = 2.0
HEAL_TIMEOUT_S = 40.0
SILENCE_TIMEOUT_S = 12.0
DECOY_TIMEOUT_S = 25.0
NS_PER_S = 1e9
TERMINAL = ("resolved", "escalated", "closed")


def said(argv):
    """Return what a program prints as JSON, None when it fails."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def decisions(since_ns):
    """Return what orderd decided since a moment, oldest first."""
    found = said([ORDERCTL, "decisions", "-n", "50", "--json"]) or {"decisions": []}
    mine = [each for each in found["decisions"] if int(each["decidedAt"]["monoNs"]) >= since_ns]
    return sorted(mine, key=lambda each: int(each["decidedAt"]["monoNs"]))


def broken(home, kind, key):
    """Tell whether the fault stands, or what it happened to is not there."""
    stands = (said(["/usr/bin/python3", "-BEs", home, "stands"]) or {"stands": True})["stands"]
    if stands is not None or kind != "unit":
        return bool(stands)
    return subprocess.run(["systemctl", "is-active", "--quiet", key], check=False).returncode != 0


def newest(heard):
    """Return the newest decision of each incident."""
    return list({each["incidentId"]: each for each in heard}.values())


def entity(decision):
    """Return what a decision is about."""
    about = decision["diagnosis"]["entity"]
    return f"{about['kind']}:{about['key']}"


def watch(asked, home, landed_ns):
    """Return the decisions and since when the fault has been gone, once it is over."""
    gone_ns, deadline_s = None, DECOY_TIMEOUT_S if asked["decoy"] else HEAL_TIMEOUT_S
    while True:
        heard, now = decisions(asked["began_ns"]), time.monotonic_ns()
        gone_ns = None if broken(home, asked["kind"], asked["key"]) else gone_ns or now
        since_s = (now - landed_ns) / NS_PER_S
        settled = gone_ns is not None and (now - gone_ns) / NS_PER_S >= HOLD_S
        closed = all(each["state"] in TERMINAL for each in newest(heard))
        escalated = any(each["state"] == "escalated" for each in newest(heard))
        quiet = not heard and since_s > SILENCE_TIMEOUT_S
        over = (settled and (asked["decoy"] or (closed and bool(heard)))) or (closed and escalated)
        if over or since_s > deadline_s or (quiet and not asked["decoy"]):
            return heard, gone_ns if settled else None


def verdict(asked, heard, gone_ns):
    """Return the outcome and why."""
    repairs = [each for each in heard if each["action"] == "repair"]
    if asked["decoy"]:
        return ("failed", "nothing was wrong, but orderd ran " + repairs[0]["repair"]) if repairs else ("left_alone", "")
    cured = any(each["state"] == "resolved" and entity(each) == asked["entity"] for each in repairs)
    if cured and gone_ns is not None:
        return "repaired", ""
    if any(each["state"] == "escalated" for each in newest(heard)):
        return "escalated", "orderd called for a person"
    if not heard:
        if asked["failure"] == "unknown":
            return "not_seen", "orderd noticed nothing, and has no name for it"
        return "failed", "orderd decided nothing"
    return "failed", f"no repair of {asked['entity']} was verified"


def main():
    """Print what became of the experiment described on the command line."""
    asked = json.loads(sys.argv[1])
    home = "/var/lib/orderd-chaos/" + asked["experiment"]
    heard, gone_ns = watch(asked, home, asked["landed_ns"])
    outcome, reason = verdict(asked, heard, gone_ns)
    first = next((each for each in heard if entity(each) == asked["entity"]), None)
    repair = next((each for each in heard if each["action"] == "repair" and entity(each) == asked["entity"]), None)

    def since(mono_ns):
        return None if mono_ns is None else max(0.0, round((int(mono_ns) - asked["landed_ns"]) / NS_PER_S, 3))

    sys.stdout.write(
        json.dumps(
            {
                "outcome": outcome,
                "reason": reason,
                "diagnosis": first and first["diagnosis"]["failure"],
                "repair": repair and repair["repair"],
                "seconds": {
                    "detected": since(first and first["detectedAt"]["monoNs"]),
                    "decided": since(repair and repair["decidedAt"]["monoNs"]),
                    "healthy": since(gone_ns),
                },
                "touched_elsewhere": sorted(
                    entity(each) for each in heard if each["action"] == "repair" and entity(each) != asked["entity"]
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
