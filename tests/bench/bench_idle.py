"""What orderd costs at rest: CPU and memory of all of its units, measured from outside of them.

Usage: python tests/bench/bench_idle.py [--host NAME | --here] [--probe-interval S] [--settle N] [--seconds N] [--json]

A disposable host is booted, orderd installed with the configuration of a drill (five services, their probes, a mount, the
resolver), but asked as often as a host is by default, once a second, where a drill asks twice; --probe-interval says otherwise.
It is measured when it has settled; --host takes one that is up, --here this machine, each as it is configured. CPU is the
kernel's own account of each unit's control group, so that children that ended are counted; memory is PSS, summed over every
process of every unit. Limits: 1 % of a core, 150 MB (T20 of the reliability tests). Exit status 0 within them, 1 above, 2 when
there is nothing to measure.
"""

import argparse
import json
import os
import re
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import benchhost

from ordertrainer.ground import DisposableHost

CPU_PERCENT_MAX = 1.0
PSS_MIB_MAX = 150e6 / (1 << 20)
_HIERARCHIES = ("", "unified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of orderd at one moment."""

    name: str
    cpu_s: float
    pss_mib: float
    processes: int


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--host", help="name of a disposable host that is up")
    where.add_argument("--here", action="store_true", help="this machine")
    parser.add_argument("--probe-interval", type=float, default=1.0, help="seconds between two questions of a probe")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds to wait first")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds to measure")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return benchhost.measured(partial(_run, parser.parse_args()))


def _run(arguments: argparse.Namespace) -> int:
    load, own = os.getloadavg()[0], not (arguments.host or arguments.here)
    found = DisposableHost.find(arguments.host) if arguments.host else None
    with benchhost.installed() if own else nullcontext(found) as host:
        name = host.name if host else None
        if own:
            _ask_every(host, arguments.probe_interval)
        time.sleep(arguments.settle)
        slices = [path for root in _roots(name) for path in (root / "system.slice", root / "orderd.slice")]
        before, started = _measure(slices), time.monotonic()
        if "orderd.service" not in before:
            benchhost.say(
                f"orderd.service is not running on {name or 'this machine'}; install it with playbooks/fleet/install.yml"
            )
            return benchhost.EXIT_CANNOT
        time.sleep(arguments.seconds)
        after, elapsed_s = _measure(slices), time.monotonic() - started
        conditions = {"seconds": round(elapsed_s, 1), "load": load, "model": benchhost.model(host)}
    return _print(_rows(before, after, elapsed_s), conditions, as_json=arguments.json)


def _ask_every(host: DisposableHost, seconds: float) -> None:
    """Configure how often the probes of a host ask."""
    file = host.proc_root / "etc/orderd/orderd.toml"
    asked = re.sub(r"interval_s = [0-9.]+", f"interval_s = {seconds:g}", file.read_text(encoding="utf-8"))
    file.write_text(asked, encoding="utf-8")
    host.exec(["systemctl", "restart", "orderd.service"], check=True)


def _roots(host: str | None) -> list[Path]:
    base = Path("/sys/fs/cgroup")
    if host is None:
        return [base / name for name in _HIERARCHIES]
    below = (Path("orderd-drill") / host / "payload", Path("system.slice") / f"orderd-drill-{host}.scope" / "payload")
    return [base / name / path for name in _HIERARCHIES for path in below]


def _measure(slices: list[Path]) -> dict[str, Unit]:
    groups = [group for each in slices if each.is_dir() for group in each.glob("orderd*.service")]
    return {group.name: _unit(group) for group in groups}


def _unit(group: Path) -> Unit:
    usage = dict(line.split() for line in (group / "cpu.stat").read_text(encoding="ascii").splitlines())
    pids = [int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split() if int(pid) > 0]
    return Unit(name=group.name, cpu_s=int(usage["usage_usec"]) / 1e6, pss_mib=sum(map(_pss_mib, pids)), processes=len(pids))


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it ended in the meantime
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _rows(before: dict[str, Unit], after: dict[str, Unit], elapsed_s: float) -> dict[str, dict[str, float]]:
    return {
        name: {
            "cpu_percent": round((unit.cpu_s - before[name].cpu_s) / elapsed_s * 100, 3),
            "pss_mib": round(unit.pss_mib, 1),
            "processes": unit.processes,
        }
        for name, unit in after.items()
        if name in before
    }


def _print(rows: dict[str, dict[str, float]], conditions: dict[str, float | str], *, as_json: bool) -> int:
    total = {key: round(sum(row[key] for row in rows.values()), 3) for key in ("cpu_percent", "pss_mib", "processes")}
    good = total["cpu_percent"] <= CPU_PERCENT_MAX and total["pss_mib"] <= PSS_MIB_MAX
    if as_json:
        print(json.dumps({"units": rows, "total": total, "good": good} | conditions))
    else:
        print(f"{'unit':28} {'CPU %':>8} {'PSS MiB':>8} {'processes':>10}")
        for name, row in {**rows, f"all (limits {CPU_PERCENT_MAX:g}, {PSS_MIB_MAX:.0f})": total}.items():
            print(f"{name:28} {row['cpu_percent']:8.3f} {row['pss_mib']:8.1f} {row['processes']:10.0f}")
        under = f"load average at the start {conditions['load']:.1f}, order model {conditions['model'] or 'none'}"
        print(f"over {conditions['seconds']:.0f} s, {under}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
