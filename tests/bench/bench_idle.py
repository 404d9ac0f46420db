"""What orderd costs at rest: CPU and memory of all of its units, measured from outside of them.

Usage: python tests/bench/bench_idle.py [--host NAME] [--seconds N] [--json]

Without --host this machine is measured, else a disposable host that is up and has orderd installed. CPU is the kernel's own
account of each unit's control group, so that children that ended are counted; memory is PSS. Limits: 2 % of a core, 160 MiB.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CPU_PERCENT_MAX = 2.0
PSS_MIB_MAX = 160.0
_HIERARCHIES = ("", "unified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of orderd at one moment."""

    name: str
    cpu_s: float
    pss_mib: float
    processes: int


def main() -> int:
    """Measure and print; 1 when a limit is exceeded, 2 when orderd is not running."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="name of a disposable host; this machine when left out")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    slices = [path for root in _roots(arguments.host) for path in (root / "system.slice", root / "orderd.slice")]
    before, started = _measure(slices), time.monotonic()
    if "orderd.service" not in before:
        where = f"host {arguments.host}" if arguments.host else "this machine"
        print(f"orderd.service is not running on {where}; install it with playbooks/fleet/install.yml", file=sys.stderr)
        return 2
    time.sleep(arguments.seconds)
    after, elapsed_s = _measure(slices), time.monotonic() - started
    return _print(before, after, elapsed_s, as_json=arguments.json)


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


def _print(before: dict[str, Unit], after: dict[str, Unit], elapsed_s: float, *, as_json: bool) -> int:
    rows = {
        name: {
            "cpu_percent": round((unit.cpu_s - before[name].cpu_s) / elapsed_s * 100, 3),
            "pss_mib": round(unit.pss_mib, 1),
            "processes": unit.processes,
        }
        for name, unit in after.items()
        if name in before
    }
    total = {key: round(sum(row[key] for row in rows.values()), 3) for key in ("cpu_percent", "pss_mib", "processes")}
    good = total["cpu_percent"] <= CPU_PERCENT_MAX and total["pss_mib"] <= PSS_MIB_MAX
    if as_json:
        print(json.dumps({"units": rows, "total": total, "seconds": elapsed_s, "load": os.getloadavg()[0], "good": good}))
    else:
        print(f"{'unit':28} {'CPU %':>8} {'PSS MiB':>8} {'processes':>10}")
        for name, row in {**rows, f"all (limits {CPU_PERCENT_MAX:g}, {PSS_MIB_MAX:g})": total}.items():
            print(f"{name:28} {row['cpu_percent']:8.3f} {row['pss_mib']:8.1f} {row['processes']:10.0f}")
        print(f"over {elapsed_s:.0f} s, load average {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
