"""Runs a benchmark and keeps its figures with the conditions they were measured under.

Usage: python tests/bench/record.py NAME [OPTIONS OF THE BENCHMARK]

`record.py idle --seconds 60` runs `bench_idle.py --seconds 60 --json` and writes tests/bench/results/idle.json: the figures as
they were printed, when, of which commit, by which command, on how many cores, and how loaded the machine was. Exit status: the
benchmark's.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parents[1]
MEASURED = ("daemon", "training", "playbooks", "models", "tests/bench/*.py")


def main() -> int:
    """Run one benchmark and write its file."""
    if len(sys.argv) < 2 or not (program := BENCH / f"bench_{sys.argv[1]}.py").is_file():
        known = ", ".join(sorted(path.stem.removeprefix("bench_") for path in BENCH.glob("bench_*.py")))
        print(f"usage: record.py NAME [OPTIONS]; there are: {known}", file=sys.stderr)
        return 2
    command = ["python", str(program.relative_to(ROOT)), *sys.argv[2:]]
    conditions = _conditions(shlex.join(command))
    done = subprocess.run(
        [sys.executable, program, *sys.argv[2:], "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False
    )
    try:
        figures = json.loads(done.stdout)
    except json.JSONDecodeError:
        print(f"{program.name} ended with {done.returncode} and gave no figures; nothing is written", file=sys.stderr)
        return done.returncode or 2
    file = BENCH / "results" / f"{sys.argv[1]}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(conditions | {"figures": figures}, indent=2) + "\n", encoding="utf-8")
    print(file.relative_to(ROOT))
    return done.returncode


def _conditions(command: str) -> dict[str, object]:
    """Return what figures mean nothing without."""
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": _git("status", "--porcelain", "--", *MEASURED).splitlines(),
        "cpus": os.cpu_count(),
        "cpu": _cpu(),
        "kernel": platform.release(),
        "load_average_at_start": os.getloadavg(),
    }


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout.rstrip()


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
