"""Gives the processes of UNIT a quota of PERCENT of one core: HOME UNIT PERCENT REVERT, the last as JSON.

Touches: a drop-in and systemd, or a control group: the very things that the steps of the revert name.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from machine import cpu_group, main_process, processes_of, run, show
from undo.processes import cpu_hierarchy

PERIOD_US = 100_000
MOVES_MAX = 5

unit, percent = sys.argv[2], int(sys.argv[3])
drop_in, own_group = json.loads(sys.argv[4])
above = cpu_group(main_process(unit)[0])


def by_systemd() -> None:
    """Write the drop-in and let systemd obey it."""
    path = Path(drop_in["path"])
    path.parent.mkdir(exist_ok=True)
    path.write_text(drop_in["content"], encoding="ascii")
    run("systemctl", "daemon-reload")


def by_group() -> None:
    """Put every process of the unit into a group with a quota, those too that are forked meanwhile."""
    with cpu_hierarchy() as hierarchy:
        group = hierarchy / above.relative_to("/sys/fs/cgroup/cpu") / own_group["group"]
        group.mkdir()
        for key, value in (("period", PERIOD_US), ("quota", PERIOD_US * percent // 100)):
            (group / f"cpu.cfs_{key}_us").write_text(str(value), encoding="ascii")
        for _ in range(MOVES_MAX):
            for pid in processes_of(unit):
                try:
                    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
                except ProcessLookupError:  # it has ended
                    continue


if str(above).endswith(show(unit, "ControlGroup")["ControlGroup"]):
    by_systemd()
else:
    by_group()
