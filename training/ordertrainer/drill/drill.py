"""A whole drill: prepare, boot, install, run the battery, write it down, take everything down.

Touches: everything its parts touch; nothing of it is left when `carry_out` returns or raises, unless the host is to be kept.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ordertrainer.chaos import Experiment, FaultContract, Injector
from ordertrainer.drill import battery, install, report, result
from ordertrainer.drill.details import Details, RunDetails
from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.interruption import deaf
from ordertrainer.drill.prober import Prober
from ordertrainer.drill.progress import Progress
from ordertrainer.drill.result import Drill, Model, Run
from ordertrainer.drill.run import Bench, run_one
from ordertrainer.drill.watcher import Watcher
from ordertrainer.ground import DisposableHost, Ground, GroundError, check, reap, residue

SERVING_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a drill is asked to do: which faults, from which seed, where to write, whether to leave the host."""

    faults: Sequence[str] = ()
    seed: int = 1
    keep: bool = False
    out: Path = Path("out/drill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A drill that ran to its end: what it found, the files that hold it, and the name of the host where it was kept."""

    drill: Drill
    files: Sequence[Path]
    kept: str = ""


@dataclass(slots=True)
class _Clock:
    """How long the parts of a drill took, in seconds."""

    began: float = field(default_factory=time.monotonic)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str, since: float) -> None:
        """Note that a part that began at `since` is over."""
        self.marks[name] = round(time.monotonic() - since, 2)


def carry_out(plan: Plan, progress: Progress) -> Finished:
    """Carry out a drill.

    Raises:
        GroundError: this machine cannot hold a drill, or not any more; the message says what to do.
        DrillError: orderd could not be installed, a fault is unknown, or an instrument was lost.
        Interrupted: somebody asked it to end; everything is down.
    """
    faults = battery.battery(plan.faults)
    drawn = battery.experiments(plan.seed, faults)
    check(progress.step)
    for name in reap():
        progress.step(f"took down {name}, which an earlier drill left behind")
    clock = _Clock()
    progress.step("building the release bundle (the first time downloads its packages)")
    bundle = install.build_bundle()
    clock.mark("bundle", clock.began)
    name = f"drill-{secrets.token_hex(4)}"
    finished: Finished | None = None
    try:
        host = _boot(name, clock, progress)
        progress.step(f"installing orderd into {name} with playbooks/fleet/install.yml")
        since = time.monotonic()
        install.install_orderd(host, bundle)
        clock.mark("install", since)
        runs, model, version = _run_all(host, drawn, faults, progress)
        drill = Drill(
            version=result.VERSION,
            seed=plan.seed,
            host=name,
            model=model,
            runs=[run for run, _ in runs],
            summary=result.summary([run for run, _ in runs]),
        )
        finished = Finished(drill=drill, files=_write(plan, drill, _details(runs, clock, version)))
    finally:
        finished = _end(name, plan, finished, progress)
    return finished


def _boot(name: str, clock: _Clock, progress: Progress) -> DisposableHost:
    since = time.monotonic()
    host = DisposableHost.up(name, say=progress.step)
    clock.mark("boot", since)
    return host


def _run_all(
    host: DisposableHost, drawn: Sequence[Experiment], faults: Mapping[str, FaultContract], progress: Progress
) -> tuple[list[tuple[Run, RunDetails]], Model, str]:
    with ExitStack() as stack:
        prober = stack.enter_context(Prober(host))
        watcher = stack.enter_context(Watcher(host))
        injector = stack.enter_context(Injector(host.inventory, battery.FAULTS_DIR, host.directory / "injections"))
        bench = Bench(host=host, prober=prober, watcher=watcher, injector=injector)
        watcher.await_serving(SERVING_TIMEOUT_S)
        runs = []
        for number, experiment in enumerate(drawn, 1):
            progress.run_begins(number, len(drawn), experiment.fault)
            runs.append(run_one(bench, experiment, faults[experiment.fault], progress.phase))
            progress.run_ends(runs[-1][0])
        status = watcher.status
    if status is None:
        raise DrillError("orderd never said its status")
    model = Model(version=status.model.version, sha256=status.model.sha256, provider=status.model.provider)
    return runs, model, status.version


def _details(runs: Sequence[tuple[Run, RunDetails]], clock: _Clock, version: str) -> Details:
    clock.mark("all", clock.began)
    return Details(
        started_utc=datetime.fromtimestamp(time.time() - clock.marks["all"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
        took_s=clock.marks["all"],
        boot_s=clock.marks["boot"],
        install_s=clock.marks["install"],
        machine=_machine(),
        orderd=version,
        runs=[seen for _, seen in runs],
    )


def _machine() -> str:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{system}, Linux {platform.release()}, {os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB"


def _write(plan: Plan, drill: Drill, seen: Details) -> list[Path]:
    """Write the drill's files into a folder of its own, and let `latest` point there."""
    directory = plan.out / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    result.write_drill(directory, drill)
    result.write(directory, "details.json", msgspec.json.encode(seen) + b"\n")
    result.write(directory, "timeline.svg", report.overview_file(drill).encode())
    result.write(directory, "report.html", report.render(drill, seen).encode())
    latest = result.point_latest(directory)
    return [latest / "drill.json", latest / "report.html"]


def _end(name: str, plan: Plan, finished: Finished | None, progress: Progress) -> Finished:
    """Take the host down, or leave it where that was asked for and the drill got to its end."""
    if plan.keep and finished is not None:
        _leave(name)
        return Finished(drill=finished.drill, files=finished.files, kept=name)
    with deaf():
        progress.step(f"taking {name} down")
        left = take_down(name)
    if left:
        raise GroundError(f"{name} left behind: {'; '.join(left)}")
    return finished  # type: ignore[return-value]  # None only while an exception passes through


def _leave(name: str) -> None:
    """Let a host outlive this process; its ledger stays, so that `ordertrainer host down` finds everything."""
    ledger = DisposableHost.find(name).ledger
    ledger.record.owner = None
    ledger.save()


def take_down(name: str) -> list[str]:
    """Take a host down, whether or not it ever came up, and return what is left of it."""
    if not Ground().host_dir(name).exists():
        return residue(name)
    host = DisposableHost.find(name)
    index = host.index
    host.down()
    return residue(name, index)
