"""A whole drill: prepare, boot, install, run the plan, write it down, take everything down.

Touches: everything its parts touch; nothing of it is left when `carry_out` returns or raises, unless the host is to be kept. What
was done before an interruption is in the drill's folder, see `store`.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET, structs

from ordertrainer.chaos import FaultContract
from ordertrainer.drill import battery, chaostoolkit, install, report, result, store
from ordertrainer.drill.battery import DEFAULT, Item
from ordertrainer.drill.crew import Crew, Done, Queue
from ordertrainer.drill.details import Details
from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.interruption import deaf
from ordertrainer.drill.progress import Progress
from ordertrainer.drill.remote import hosts_of, leave
from ordertrainer.drill.result import Drill
from ordertrainer.drill.station import CloneStation, InventoryStation, Station
from ordertrainer.drill.store import DoneItem, Outline, Store
from ordertrainer.ground import DisposableHost, Ground, GroundError, check, reap, residue

CHOSEN: Final = "faults"
"""Name of the battery of faults that somebody listed."""
S_PER_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a drill is asked to do.

    Attributes:
        faults: only these, instead of a battery.
        seed: targets and intensities are drawn from it.
        keep: leave the hosts up.
        out: where the results go.
        battery: its name.
        hosts: how many clones.
        inventory: hosts to break instead of clones.
        minutes: how long a random or quiet battery takes; its own time when None.
        resume: go on with a drill that was interrupted.
        resume_dir: which one; the newest when None.
        items: the very items to carry out, instead of a battery.
    """

    faults: Sequence[str] = ()
    seed: int = 1
    keep: bool = False
    out: Path = Path("out/drill")
    battery: str = DEFAULT
    hosts: int = 1
    inventory: Path | None = None
    minutes: float | None = None
    resume: bool = False
    resume_dir: Path | None = None
    items: Sequence[Item] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A drill that ran to its end: what it found, the files that hold it, and the hosts that were kept."""

    drill: Drill
    files: Sequence[Path]
    kept: Sequence[str] = ()


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
        Interrupted: somebody asked it to end; everything is down, what was done is kept.
    """
    clock = _Clock()
    kept = store.interrupted(plan.out, plan.resume_dir) if plan.resume else store.fresh(plan.out, _outline(plan))
    faults = battery.battery(kept.outline.faults) if kept.outline.faults else {}
    done = kept.done()
    if done:
        progress.step(f"going on with {kept.directory}: {len(done)} done already")
    clones: dict[str, DisposableHost | None] = {}
    finished: Finished | None = None
    try:
        with _stations(kept.outline, clones, clock, progress) as stations:
            _work(kept, stations, faults, done, progress)
            finished = _written(kept, stations, clock)
    finally:
        finished = _end(clones, plan, finished, progress)
    return finished


def _outline(plan: Plan) -> Outline:
    """Return what is to be done, drawn from the seed."""
    hosts = 0 if plan.inventory else plan.hosts
    asked = {"seed": plan.seed, "hosts": hosts, "inventory": str(plan.inventory.resolve()) if plan.inventory else ""}
    asked |= {"started_utc": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")}
    if plan.items:
        named = tuple(dict.fromkeys(experiment.fault for item in plan.items for experiment in item.experiments))
        return Outline(battery=plan.battery, faults=named, items=tuple(plan.items), **asked)
    chosen = battery.load(plan.battery)
    faults = battery.battery(plan.faults) if plan.faults else battery.faults_of(chosen)
    if plan.faults:
        chosen = structs.replace(battery.load(DEFAULT), faults=tuple(faults))
    minutes = chosen.minutes if plan.minutes is None else plan.minutes
    endless = chosen.shape == "random"
    drawn = () if endless else battery.plan(chosen, faults, seed=plan.seed, minutes=minutes, hosts=max(1, hosts))
    name = CHOSEN if plan.faults else plan.battery
    return Outline(battery=name, faults=tuple(faults), minutes=minutes, items=tuple(drawn), **asked)


def _work(
    kept: Store, stations: Sequence[Station], faults: Mapping[str, FaultContract], done: Sequence[DoneItem], progress: Progress
) -> None:
    """Carry out what is left of the plan."""
    outline, numbers = kept.outline, {each.number for each in done}
    items, deadline = iter(outline.items), None
    if not outline.items:
        items = battery.plan(
            battery.load(outline.battery), faults, seed=outline.seed, minutes=outline.minutes, hosts=len(stations)
        )
        left_s = outline.minutes * S_PER_MINUTE - sum(each.took_s for each in done) / len(stations)
        deadline = time.monotonic() + left_s
    crew = Crew(
        queue=Queue((item for item in items if item.number not in numbers), deadline=deadline),
        faults=faults,
        progress=progress,
        done=lambda each: kept.keep(_kept(each)),
        total=len(outline.items) or None,
    )
    try:
        crew.work(stations)
    except BaseException:
        with deaf():
            progress.step("putting down what is under way")
            crew.end()
        raise


def _kept(done: Done) -> DoneItem:
    return DoneItem(
        number=done.item.number,
        host=done.host,
        runs=tuple(run for run, _ in done.found),
        details=tuple(seen for _, seen in done.found),
        model=done.model,
        version=done.version,
        took_s=done.item.calm_s + max(seen.took_s for _, seen in done.found),
    )


@contextmanager
def _stations(
    outline: Outline, clones: dict[str, DisposableHost | None], clock: _Clock, progress: Progress
) -> Iterator[list[Station]]:
    """Yield the hosts of a drill; `clones` hears of every clone before it is booted, and of the host afterwards."""
    with ExitStack() as stack:
        if outline.inventory:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orderd-drill-")))
            yield _from_inventory(Path(outline.inventory), directory, progress)
            return
        yield _clones(outline.hosts, clones, clock, progress)


def _from_inventory(inventory: Path, directory: Path, progress: Progress) -> list[Station]:
    found: list[Station] = []
    for host in hosts_of(inventory, directory):
        answer = leave(host)
        if not answer.allowed:
            progress.step(f"{host.name} is left out: {answer.why}")
            continue
        if not answer.orderd:
            progress.step(f"{host.name}: orderd does not run there, so nothing will be repaired")
        found.append(InventoryStation(host=host, orderd=answer.orderd))
    if not found:
        raise DrillError(f"{inventory}: none of its hosts may be broken")
    return found


def _clones(hosts: int, clones: dict[str, DisposableHost | None], clock: _Clock, progress: Progress) -> list[Station]:
    check(progress.step)
    for name in reap():
        progress.step(f"took down {name}, which an earlier drill left behind")
    progress.step("building the release bundle (the first time downloads its packages)")
    since = time.monotonic()
    bundle = install.build_bundle()
    clock.mark("bundle", since)
    found: list[Station] = []
    since = time.monotonic()
    for _ in range(hosts):
        name = f"drill-{secrets.token_hex(4)}"
        clones[name] = None
        clones[name] = host = DisposableHost.up(name, say=progress.step)
        found.append(CloneStation(host=host, bundle=bundle))
    clock.mark("boot", since)
    return found


def _written(kept: Store, stations: Sequence[Station], clock: _Clock) -> Finished:
    """Write the drill's files, and let `latest` point there."""
    clock.mark("all", clock.began)
    outline, done = kept.outline, kept.done()
    if not done:
        raise DrillError("the plan holds nothing to do")
    several = outline.hosts != 1
    runs = [structs.replace(run, host=each.host) if several else run for each in done for run in each.runs]
    hosts = list(dict.fromkeys(each.host for each in done))
    drill = Drill(
        version=result.VERSION,
        seed=outline.seed,
        host=", ".join(hosts),
        model=done[-1].model,
        runs=runs,
        summary=result.summary(runs),
        battery=UNSET if outline.battery in {DEFAULT, CHOSEN} else outline.battery,
        hosts=hosts if several else UNSET,
    )
    seen = Details(
        started_utc=outline.started_utc,
        took_s=clock.marks["all"],
        boot_s=clock.marks.get("boot", 0.0),
        install_s=max(getattr(station, "install_s", 0.0) for station in stations),
        machine=_machine(),
        orderd=done[-1].version,
        runs=[details for each in done for details in each.details],
    )
    directory = kept.directory
    chaostoolkit.write(directory / "chaostoolkit", outline, done)
    result.write(directory, "details.json", msgspec.json.encode(seen) + b"\n")
    result.write(directory, "timeline.svg", report.overview_file(drill).encode())
    result.write(directory, "report.html", report.render(drill, seen).encode())
    result.write_drill(directory, drill)
    shutil.rmtree(directory / store.ITEMS)
    latest = result.point_latest(directory)
    return Finished(drill=drill, files=[latest / "drill.json", latest / "report.html"])


def _machine() -> str:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{system}, Linux {platform.release()}, {os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB"


def _end(clones: Mapping[str, DisposableHost | None], plan: Plan, finished: Finished | None, progress: Progress) -> Finished:
    """Take the clones down, or leave them where that was asked for and the drill got to its end."""
    if plan.keep and finished is not None:
        for host in clones.values():
            _leave(host)
        return Finished(drill=finished.drill, files=finished.files, kept=tuple(clones))
    left: list[str] = []
    with deaf():
        for name in clones:
            progress.step(f"taking {name} down")
            try:
                left += [f"{name}: {thing}" for thing in take_down(name)]
            except GroundError as error:  # the others have to go too
                left.append(str(error))
    if left:
        raise GroundError(f"left behind: {'; '.join(left)}")
    return finished  # type: ignore[return-value]  # None only while an exception passes through


def _leave(host: DisposableHost | None) -> None:
    """Let a host outlive this process; its ledger stays, so that `ordertrainer host down` finds everything.

    The very object that booted it has to know: by its ledger this process takes down what it owns when it ends.
    """
    if host:
        host.ledger.record.owner = None
        host.ledger.save()


def take_down(name: str) -> list[str]:
    """Take a host down, whether or not it ever came up, and return what is left of it."""
    if not Ground().host_dir(name).exists():
        return residue(name)
    host = DisposableHost.find(name)
    index = host.index
    host.down()
    return residue(name, index)
