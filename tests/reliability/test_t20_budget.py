"""T20: the budget gate. What the four programs cost at rest on a host, by the kernel's own account of their control groups."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ordertrainer.ground import missing_packages
from yardstick import Yardstick

pytestmark = [
    pytest.mark.drill,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"needs {' '.join(missing_packages())}"),
]
BENCH = Path(__file__).parents[1] / "bench" / "bench_idle.py"
CPU_PERCENT_MAX = 1.0
BYTES_MAX = 150e6
SETTLE_S = 20
SECONDS = 60


def test_all_four_programs_at_rest_are_within_the_budget(measured):
    """With five services, probed once a second, a mount and the resolver: 1 % of the reference core and 150 MB at most."""
    command = [sys.executable, str(BENCH), "--settle", str(SETTLE_S), "--seconds", str(SECONDS), "--json"]
    with Yardstick() as yardstick:
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.stdout.strip(), done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    cpu, size = found["total"]["cpu_percent"], found["total"]["pss_mib"] * (1 << 20)
    units = {name.removesuffix(".service"): row for name, row in found["units"].items()}
    parts = ", ".join(f"{name} {row['cpu_percent']:g} % {row['pss_mib']:g} MiB" for name, row in units.items())
    slowness = yardstick.slowness
    measured(
        figure=f"{cpu / slowness:.2f} % of the reference core, {size / 1e6:.1f} MB; {cpu:.2f} % of one of this machine's, "
        f"which take {slowness:.2f} times as long ({parts}; load average {found['load']:.1f})",
        limit="<= 1 % of the reference core, <= 150 MB",
        runs=1,
    )
    assert set(found["units"]) == {"orderd.service", "orderd-infer.service", "orderd-exec.service", "orderd-zygote.service"}
    assert size <= BYTES_MAX
    assert cpu / slowness <= CPU_PERCENT_MAX
