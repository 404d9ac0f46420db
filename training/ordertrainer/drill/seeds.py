"""The same drill from several seeds, each by a process of its own, on this machine or on workers that may hold drills.

    OUT/seed-N/TIME/    what `ordertrainer drill --seed N` leaves
    OUT/seed-N/drill.log    what it said

A worker runs the very command that a person would: it needs root and what a drill needs, so its node says that it holds drills
(`ray start --resources '{"drill": 1}'`, one at a time). A drill that is interrupted takes its hosts down before it ends, whoever
asked; each goes on where it was. Touches: what a drill touches; OUT, which all workers have to see.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET, structs

from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.result import Drill, summary
from ordertrainer.drill.store import FINISHED, ITEMS, PLAN, Outline
from ordertrainer.fanout import NotSharedError, Task, refuse_elsewhere
from ordertrainer.fanout.task import Share

KIND: Final = "drill"
LOG: Final = "drill.log"
LATEST: Final = "latest"
COMMAND: Final = (sys.executable, "-m", "ordertrainer", "drill")
STATUSES: Final = frozenset({0, 1})
"""Of a drill that ran to its end, whatever it found."""
LOOK_S: Final = 0.5


def folder(out: Path, seed: int) -> Path:
    """Return where a seed's drill lies."""
    return out / f"seed-{seed}"


def drills(
    out: Path, seeds: Sequence[int], words: Sequence[str], *, seal: Path, command: Sequence[str] = COMMAND
) -> list[Task[Drill]]:
    """Return the same drill from each seed, as tasks.

    Args:
        out: folder of all.
        seeds: targets and intensities are drawn from them.
        words: options of `ordertrainer drill` that are the same for all.
        seal: of `ordertrainer.fanout.sealed`.
        command: what runs a drill.
    """
    return [
        Task(
            name=f"drill of seed {seed}",
            seed=seed,
            work=partial(drill, folder(out.resolve(), seed), seed, (*command, *words), seal),
            kind=KIND,
            again=False,  # what a lost worker left running may still hold the folder; --resume goes on when it is over
            refusals=(DrillError, NotSharedError),
        )
        for seed in seeds
    ]


def drill(out: Path, seed: int, command: Sequence[str], seal: Path, tick: Share) -> Drill:
    """Run one drill to its end, or go on with it; return what it found.

    Raises:
        DrillError: it could not be carried out; with the last line of what it said.
        NotSharedError: the folder is not the driver's.
    """
    refuse_elsewhere(seal)
    out.mkdir(parents=True, exist_ok=True)
    if not (out / LATEST / FINISHED).exists():
        going_on = ("--resume",) if _interrupted(out) else ()
        with (out / LOG).open("ab") as log:
            status = _run((*command, "--seed", str(seed), "--out", str(out), *going_on), log.fileno(), out, tick)
        if status not in STATUSES or not (out / LATEST / FINISHED).exists():
            raise DrillError(f"{out / LOG}: {_last_line(out / LOG)} (exit status {status})")
    return msgspec.json.decode((out / LATEST / FINISHED).read_bytes(), type=Drill)


def begun(out: Path, seeds: Sequence[int]) -> list[Path]:
    """Return the folders that hold a drill already."""
    return [each for each in (folder(out, seed) for seed in seeds) if list(each.glob(f"*/{PLAN}"))]


def merged(seeds: Sequence[int], found: Sequence[Drill]) -> Drill:
    """Return all drills as one, whose hosts say which seed they had."""
    runs = [
        structs.replace(run, host=f"seed {seed}: {each.host if run.host is UNSET else run.host}")
        for seed, each in zip(seeds, found, strict=True)
        for run in each.runs
    ]
    hosts = list(dict.fromkeys(str(run.host) for run in runs))
    last = found[-1]
    return structs.replace(last, seed=seeds[0], host=", ".join(hosts), hosts=hosts, runs=runs, summary=summary(runs))


def _run(command: Sequence[str], log: int, out: Path, tick: Share) -> int:
    """Run a command to its end; an interruption is passed on, and its end waited for: hosts have to come down."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        while process.poll() is None:
            tick(_share(out))
            time.sleep(LOOK_S)
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    return process.returncode


def _interrupted(out: Path) -> list[Path]:
    return [plan.parent for plan in out.glob(f"*/{PLAN}") if not (plan.parent / FINISHED).exists()]


def _share(out: Path) -> float:
    """Return which share of the plan is done; of a drill that has no plan but a time, nothing is known before its end."""
    for directory in _interrupted(out):
        planned = len(msgspec.json.decode((directory / PLAN).read_bytes(), type=Outline).items)
        return len(list((directory / ITEMS).glob("[0-9]*.json"))) / planned if planned else 0.0
    return 0.0


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
