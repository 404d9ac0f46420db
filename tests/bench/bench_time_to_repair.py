"""How long nginx is out of order after being killed, stopped, masked or hung, with orderd and with systemd's own Restart=always.

Usage: python tests/bench/bench_time_to_repair.py [--runs N] [--peer-runs N] [--seed N] [--json]

One disposable host, broken with the very commands of the fault catalogue, and the drill's prober, which asks nginx 20 times a
second from outside the host's process and mount namespaces. A time runs from the last good answer before the fault to the
first of two seconds of good ones: never too short, too long by at most 50 ms. A repetition counts only when orderd's record
says that it repaired nginx and verified it. The peer is the same host with orderd stopped and `Restart=always`,
`RestartSec=100ms` on nginx and no limit on starts; what it has not repaired within 10 s it never repairs.

orderd is never made to wait by its own limits: it grants one repair of a target every 10 s, so the two faults that share
`service_start` alternate with those that do not, a repetition begins no sooner than 6.5 s after the one before, and the
hourly budget per target is raised on the host. Each begins at a random phase of orderd's one-second beat.
Goals: medians of 1 s for killed, stopped and masked, 2 s for hung. Exit status 0 when all are met, 1 when not, 2 when this
machine cannot hold a host.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import benchhost

from orderd.domain.faults import Failure
from orderd.domain.values import Reason
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.result import Run
from ordertrainer.drill.series import NS_PER_S
from ordertrainer.drill.symptoms import CheckFails
from ordertrainer.drill.verdict import Evidence, judge, open_incidents
from ordertrainer.drill.watcher import Heard, Watcher
from ordertrainer.ground import DisposableHost

UNIT = "nginx.service"
NGINX = CheckFails(checks=("nginx",))
SPACING_S = 6.5
PHASE_S = 1.0
STEADY_S = 1.0
STEADY_TIMEOUT_S = 30.0
LANDED_TIMEOUT_S = 5.0
HOLD_S = 2.0
ORDERD_TIMEOUT_S = 40.0
PEER_TIMEOUT_S = 10.0
SERVING_TIMEOUT_S = 30.0
POLL_S = 0.02
CONFIG = "/etc/orderd/orderd.toml"
BUDGET = "s/^repairs_per_target_per_hour = .*/repairs_per_target_per_hour = 1000/"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/90-bench.conf"
PEER = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=100ms\n"
STEPS = ("detected", "decided", "repaired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break nginx: the failure it causes, the command, and the median orderd should repair it in."""

    name: str
    failure: Failure
    argv: tuple[str, ...]
    goal_s: float


KILL = ("systemctl", "kill", "--kill-who=all")
# In this order the two that `service_start` repairs are two repetitions apart: 13 s, and it is granted every 10 s.
FAULTS = (
    Fault(name="killed", failure=Failure.SERVICE_DOWN, argv=(*KILL, "--signal=KILL", UNIT), goal_s=1.0),
    Fault(name="hung", failure=Failure.SERVICE_HUNG, argv=(*KILL, "--signal=STOP", UNIT), goal_s=2.0),
    Fault(name="stopped", failure=Failure.SERVICE_DOWN, argv=("systemctl", "stop", UNIT), goal_s=1.0),
    Fault(name="masked", failure=Failure.SERVICE_MASKED, argv=("systemctl", "mask", "--now", UNIT), goal_s=1.0),
)
MEND = (
    ("systemctl", "unmask", UNIT),
    (*KILL, "--signal=KILL", UNIT),
    ("systemctl", "reset-failed", UNIT),
    ("systemctl", "start", UNIT),
)


@dataclass(slots=True, kw_only=True)
class Results:
    """What came of the repetitions of one fault."""

    fault: Fault
    ours: list[Run] = field(default_factory=list)
    refusals: Counter[Reason] = field(default_factory=Counter)
    peer_s: list[float | None] = field(default_factory=list)

    @property
    def ours_s(self) -> list[float]:
        """Return the seconds to healthy of the repetitions that orderd repaired."""
        return [run.seconds.healthy for run in self.ours if run.outcome == "repaired" and run.seconds.healthy is not None]

    @property
    def good(self) -> bool:
        """Tell whether every repetition was repaired and the median is within the goal."""
        return len(self.ours_s) == len(self.ours) and statistics.median(self.ours_s) <= self.fault.goal_s


def main() -> int:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=_count, default=7, help="of each fault with orderd, and of killed with the peer")
    parser.add_argument("--peer-runs", type=_count, default=2, help="of each fault the peer does not repair, 12 s each")
    parser.add_argument("--seed", type=int, default=1, help="of the random phases")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return benchhost.measured(partial(_measure, parser.parse_args()))


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _measure(arguments: argparse.Namespace) -> int:
    load, rng = os.getloadavg()[0], random.Random(arguments.seed)
    with benchhost.installed() as host, Prober(host) as prober:
        results = [Results(fault=fault) for fault in FAULTS]
        _with_orderd(host, prober, [each for _ in range(arguments.runs) for each in results], rng)
        conditions = {"load": load, "model": benchhost.model(host)}
        _become_peer(host)
        _with_peer(host, prober, _peer_plan(results, arguments))
    _print(results, conditions, as_json=arguments.json)
    return 0 if all(each.good for each in results) else 1


def _with_orderd(host: DisposableHost, prober: Prober, plan: Iterable[Results], rng: random.Random) -> None:
    with Watcher(host) as watcher:
        host.exec(["sed", "-i", BUDGET, CONFIG], check=True)
        host.exec(["systemctl", "restart", "orderd.service"], check=True)
        watcher.await_serving(SERVING_TIMEOUT_S)
        for each in _paced(plan, rng):
            _await_steady(prober, watcher)
            run, heard = _repetition(host, prober, watcher, each.fault)
            each.ours.append(run)
            each.refusals.update(h.record.decision.reason for h in heard if h.record.decision.reason is not Reason.ALLOWED)
            benchhost.say(f"orderd: {each.fault.name}: {run.outcome} {run.reason or run.seconds.healthy}")


def _paced(plan: Iterable[Results], rng: random.Random) -> Iterator[Results]:
    """Yield no sooner than `SPACING_S` after the time before, at a random phase."""
    due = 0.0
    for each in plan:
        time.sleep(max(0.0, due - time.monotonic()) + rng.uniform(0.0, PHASE_S))
        due = time.monotonic() + SPACING_S
        yield each


def _await_steady(prober: Prober, watcher: Watcher | None) -> None:
    """Wait until nginx answers and orderd, where it runs, has nothing left to do."""
    deadline = time.monotonic() + STEADY_TIMEOUT_S
    while time.monotonic() < deadline:
        _check(prober, watcher)
        recent = time.monotonic_ns() - int((STEADY_S + 0.2) * NS_PER_S)
        busy = watcher is not None and open_incidents([heard.record for heard in watcher.decisions(0)])
        if not busy and prober.all_held(NGINX.checks, recent, STEADY_S):
            return
        time.sleep(POLL_S)
    sys.exit(f"nginx is not healthy {STEADY_TIMEOUT_S:g} s after the repetition before")


def _check(prober: Prober, watcher: Watcher | None) -> None:
    prober.check()
    if watcher:
        watcher.check()


def _repetition(host: DisposableHost, prober: Prober, watcher: Watcher, fault: Fault) -> tuple[Run, list[Heard]]:
    """Break nginx and return what orderd made of it, judged as a drill judges."""
    began = time.monotonic_ns()
    landed = _break(host, prober, fault)
    deadline = time.monotonic() + ORDERD_TIMEOUT_S
    healthy, heard = None, list[Heard]()
    while time.monotonic() < deadline:
        _check(prober, watcher)
        heard = watcher.decisions(began)
        healthy = NGINX.healthy(prober, landed, HOLD_S)
        if healthy is not None and heard and not open_incidents([each.record for each in heard]):
            break
        time.sleep(POLL_S)
    evidence = Evidence(
        fault=fault.name,
        target=f"unit:{UNIT}",
        failure=str(fault.failure),
        intensity=None,
        decoy=False,
        landed_ns=landed,
        healthy_ns=healthy,
        decisions=[each.record for each in heard],
    )
    return judge(evidence), heard


def _break(host: DisposableHost, prober: Prober, fault: Fault) -> int:
    """Carry out a fault and return the end of the last good answer before it."""
    began = time.monotonic_ns()
    prober.forget_before(began - 2 * NS_PER_S)
    host.exec(fault.argv)
    while time.monotonic_ns() < began + LANDED_TIMEOUT_S * NS_PER_S:
        if (landed := NGINX.landed(prober, began)) is not None:
            return landed
        time.sleep(POLL_S)
    sys.exit(f"{' '.join(fault.argv)}: nginx kept answering for {LANDED_TIMEOUT_S:g} s")


def _become_peer(host: DisposableHost) -> None:
    """Stop orderd and let systemd restart nginx by itself."""
    host.exec(["systemctl", "stop", "orderd*"], check=True)
    host.exec(["tee", DROP_IN], stdin=PEER, check=True)
    host.exec(["systemctl", "daemon-reload"], check=True)
    _mend(host)


def _peer_plan(results: list[Results], arguments: argparse.Namespace) -> Iterator[Results]:
    for each in results:
        yield from [each] * (arguments.runs if each.fault.name == "killed" else arguments.peer_runs)


def _with_peer(host: DisposableHost, prober: Prober, plan: Iterable[Results]) -> None:
    for each in plan:
        _await_steady(prober, None)
        landed = _break(host, prober, each.fault)
        healthy = _peer_healthy(prober, landed)
        each.peer_s.append(None if healthy is None else round((healthy - landed) / NS_PER_S, 3))
        benchhost.say(f"peer: {each.fault.name}: {each.peer_s[-1] or 'never'}")
        if healthy is None:
            _mend(host)


def _peer_healthy(prober: Prober, landed: int) -> int | None:
    deadline = landed + int((PEER_TIMEOUT_S + HOLD_S) * NS_PER_S)
    while time.monotonic_ns() < deadline:
        prober.check()
        if (healthy := NGINX.healthy(prober, landed, HOLD_S)) is not None:
            return healthy
        time.sleep(POLL_S)
    return None


def _mend(host: DisposableHost) -> None:
    for argv in MEND:
        host.exec(argv)  # each is needed after some faults only


def _spread(times: list[float]) -> dict[str, float | None]:
    if not times:
        return {"median": None, "min": None, "max": None}
    return {"median": round(statistics.median(times), 3), "min": min(times), "max": max(times)}


def _figures(each: Results) -> dict[str, object]:
    repaired = [run.seconds for run in each.ours if run.outcome == "repaired"]
    steps = {step: _spread([s for seconds in repaired if (s := getattr(seconds, step)) is not None])["median"] for step in STEPS}
    peer = [seconds for seconds in each.peer_s if seconds is not None]
    return {
        "goal_s": each.fault.goal_s,
        "good": each.good,
        "orderd": _spread(each.ours_s)
        | {"runs": len(each.ours), "repaired": len(each.ours_s), "seconds": each.ours_s, "median_steps": steps}
        | {"diagnosed_by": Counter(run.diagnosis.source for run in each.ours if run.diagnosis), "refusals": each.refusals}
        | {"not_repaired": [run.reason for run in each.ours if run.outcome != "repaired"]},
        "peer": _spread(peer) | {"runs": len(each.peer_s), "repaired": len(peer), "seconds": each.peer_s},
    }


def _print(results: list[Results], conditions: dict[str, float | str], *, as_json: bool) -> None:
    figures = {each.fault.name: _figures(each) for each in results}
    if as_json:
        print(json.dumps({"unit": UNIT, "faults": figures, "good": all(each.good for each in results)} | conditions))
        return
    print(f"seconds until {UNIT} answers again, median (min to max)")
    print(f"{'':8} {'orderd':>24} {'goal':>6}   {'systemd Restart=always':>24}")
    for each in results:
        ours, peer = _cell(each.ours_s, len(each.ours)), _cell([s for s in each.peer_s if s is not None], len(each.peer_s))
        missed = "" if each.good else "  goal missed"
        print(f"{each.fault.name:8} {ours:>24} {each.fault.goal_s:6.1f}   {peer:>24}{missed}")
    print(f"load average at the start {conditions['load']:.1f}, order model {conditions['model'] or 'none'}")


def _cell(times: list[float], runs: int) -> str:
    if not times:
        return f"never in {runs}"
    missing = "" if len(times) == runs else f", {len(times)} of {runs}"
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f}{missing})"


if __name__ == "__main__":
    sys.exit(main())
