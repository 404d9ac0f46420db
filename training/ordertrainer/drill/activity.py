"""One step of an experiment for somebody else's conductor: `python -m ordertrainer.drill.activity VERB ...`.

Touches: the hosts of the inventory, over SSH. Exit status 0 when it is so, 1 when it is not, 2 with one line when it cannot be
told.

    probe    every service that the hosts have answers, waiting for it a while
    inject   arms the revert, then breaks the hosts
    landed   the witness has seen it
    revert   undoes what still is the fault's doing
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from orderd.errors import OrderdError
from ordertrainer.chaos import Experiment, Injector
from ordertrainer.drill.battery import FAULTS_DIR
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.remote import RemoteHost, hosts_of
from ordertrainer.drill.symptoms import CHECK_OF_UNIT

VERBS: Final = ("probe", "inject", "landed", "revert")
PATIENCE_S: Final = 40.0
HELD_S: Final = 1.0
POLL_S: Final = 0.1
EXIT_ERROR: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Do one step and say in a line of JSON how it went."""
    parser = argparse.ArgumentParser(prog="ordertrainer.drill.activity")
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("--inventory", type=Path, required=True)
    parser.add_argument("--experiment", default="")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="orderd-drill-") as directory:
        try:
            if asked.verb == "probe":
                good = healthy(asked.inventory, Path(directory))
            else:
                experiment = msgspec.json.decode(asked.experiment, type=Experiment)
                good = step(asked.verb, experiment, asked.inventory, Path(directory))
        except (OrderdError, msgspec.DecodeError) as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_ERROR
    sys.stdout.write(msgspec.json.encode({asked.verb: good}).decode() + "\n")
    return 0 if good else 1


def healthy(inventory: Path, directory: Path) -> bool:
    """Tell whether every service that the hosts have answers for a second, within a while."""
    return all([_host_is_healthy(host) for host in hosts_of(inventory, directory)])  # noqa: C419  every host is asked


def _host_is_healthy(host: RemoteHost) -> bool:
    shown = host.exec(["systemctl", "show", "--property=LoadState", "--value", *CHECK_OF_UNIT], check=True).stdout.split()
    wanted = {check for (_, check), state in zip(CHECK_OF_UNIT.items(), shown, strict=True) if state != "not-found"}
    deadline = time.monotonic() + PATIENCE_S
    with Prober.over(host.command) as prober:
        while time.monotonic() < deadline:
            prober.check()
            if _held(prober, wanted):
                return True
            time.sleep(POLL_S)
    return False


def _held(prober: Prober, wanted: set[str]) -> bool:
    """Tell whether every check has been good for a second up to its newest probe."""
    for check in wanted:
        series = prober.series(check)
        newest = series.last
        if newest is None or series.held(newest.end_ns - int(2 * HELD_S * 1e9), HELD_S) is None or not newest.ok:
            return False
    return True


def step(verb: str, experiment: Experiment, inventory: Path, directory: Path) -> bool:
    """Carry out one step of an experiment."""
    with Injector(inventory, FAULTS_DIR, directory) as injector:
        if verb == "landed":
            return injector.landed(experiment)
        if verb == "inject":
            injector.inject(experiment)
        else:
            injector.revert(experiment)
    return True


if __name__ == "__main__":
    sys.exit(main())
