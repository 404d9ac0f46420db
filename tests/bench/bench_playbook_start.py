"""How long a one-task repair takes through orderd-exec and the zygote, against stock ansible-runner in the same run.

Usage: python tests/bench/bench_playbook_start.py [--runs N] [--json]
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import ansible_runner

from orderd.executor.messages import Mode, Outcome, RepairRequest
from orderd.executor.rig import Rig

PLAYBOOK = """\
- name: Bench
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: One task
      ansible.builtin.command: /bin/true
"""


def main() -> int:
    """Run both paths alternately and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11, help="runs of each path")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orderd-bench-") as folder:
        figures = _measure(Path(folder), arguments.runs)
    _print(figures, as_json=arguments.json)
    return 0


def _measure(root: Path, runs: int) -> dict[str, float]:
    rig = Rig(root=root / "rig")
    rig.add_repair("bench", PLAYBOOK)
    with rig:
        _ours(rig, "warm-up")
        pairs = [(_ours(rig, f"run-{number}"), _stock(root / f"stock-{number}")) for number in range(runs)]
        pss = {name: _pss_mib(process.pid) for name, process in zip(("zygote", "exec"), rig.processes, strict=True)}
    ours, stock = (statistics.median(column) for column in zip(*pairs, strict=True))
    worst = max(seconds for seconds, _ in pairs)
    return {"runs": runs, "orderd_s": ours, "orderd_max_s": worst, "stock_s": stock, "ratio": stock / ours} | {
        f"{name}_pss_mib": mib for name, mib in pss.items()
    }


def _ours(rig: Rig, repair_id: str) -> float:
    request = RepairRequest(repair_id=repair_id, playbook="bench", target="resolver:system", deadline_s=10, mode=Mode.APPLY)
    began = time.monotonic()
    finished = asyncio.run(rig.client.repair(request))
    seconds = time.monotonic() - began
    if finished.outcome is not Outcome.SUCCEEDED:
        sys.exit(f"the repair did not succeed: {finished}")
    return seconds


def _stock(folder: Path) -> float:
    project = folder / "project"
    project.mkdir(parents=True)
    (project / "repair.yml").write_text(PLAYBOOK, encoding="utf-8")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    began = time.monotonic()
    run = ansible_runner.run(
        private_data_dir=str(folder), playbook="repair.yml", inventory="localhost,", quiet=True, envvars={"PATH": path}
    )
    seconds = time.monotonic() - began
    if run.rc != 0:
        sys.exit(f"stock ansible-runner failed with {run.rc}; see {folder}")
    return seconds


def _pss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _print(figures: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    print(f"one-task repair, median of {figures['runs']:.0f}")
    print(f"  orderd-exec + zygote   {figures['orderd_s']:.3f} s   (slowest {figures['orderd_max_s']:.3f} s)")
    print(f"  stock ansible-runner   {figures['stock_s']:.3f} s")
    print(f"  ratio                  {figures['ratio']:.1f}")
    print(f"  PSS  zygote {figures['zygote_pss_mib']:.1f} MiB, exec {figures['exec_pss_mib']:.1f} MiB")


if __name__ == "__main__":
    sys.exit(main())
