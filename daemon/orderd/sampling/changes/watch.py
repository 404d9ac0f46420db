"""Sees changes that people or their tools are making, so that orderd keeps out of their way. Reads /proc and /run, hears systemd.

A ``systemctl stop`` waits for its job, and ``mask``, ``disable`` and ``edit`` wait for the reload that follows them: whoever does
such a thing is still there in the moment systemd tells of it. So the processes are looked at in that very moment.

A service that dies within milliseconds, on a busy host, may be gone with its systemctl before we are given a processor. A unit
that ran and went down cleanly, by a job that no process explains, is taken for a person's doing when somebody came to, left, or
typed at a terminal just then. Where nobody did, it is not.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from orderd.config.schema import Config
from orderd.domain.changes import Change, ChangeKind
from orderd.domain.clock import Clock, Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.changes.commands import PROGRAMS, Aim, Command, read_command
from orderd.sampling.changes.markers import Marker, Markers
from orderd.sampling.changes.packages import Packages, Transaction
from orderd.sampling.changes.people import People, Person, Process, VanishedError
from orderd.sampling.changes.text import clean
from orderd.sampling.systemd import Listener
from orderd.sampling.unit import masked_on_disk

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LOOK_AGAIN_S: Final = 0.02
"""Processes are looked at no more often than this, however much systemd has to tell."""
PRESUMED_S: Final = 90.0
"""A stop that takes longer than systemd's own default has another cause than who was at a terminal when it began."""
_SEEN_MAX: Final = 256
# Properties by which a unit that was named pulls others down with it.
_BOUND_BY: Final = ("PartOf", "BindsTo", "Requires", "Requisite")
_UP: Final = frozenset({"active", "reloading"})
_DOWN: Final = frozenset({"inactive", "failed", "deactivating"})


class Announcer(Protocol):
    """What tells of units as soon as systemd does; `orderd.sampling.systemd.Systemd`."""

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` called for every announcement."""
        ...

    def properties(self, unit: str) -> Mapping[str, Any] | None:
        """Return what is known of a unit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lasting:
    """A change of the whole host, or a marker's, that lasts while it is seen.

    Attributes:
        change: as told; ``until`` moves on while it is seen.
        end: monotonic nanoseconds after which it is not believed any more, however long it lasts.
    """

    change: Change
    end: int


class ChangeWatch:
    """Knows what is being changed on purpose.

    Attributes:
        problem: what keeps changes from being seen, for people; empty when nothing does.
        looks: how often processes were looked at.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        systemd: Announcer,
        *,
        packages: Packages | None = None,
        people: People | None = None,
        is_masked: Callable[[str], bool] = masked_on_disk,
    ) -> None:
        """Listen to systemd; call before it is started, so that nothing is missed.

        Args:
            config: ``decision.changes``, and the units of interest.
            clock: where time comes from.
            systemd: tells of units; ``Sampler.systemd``.
            packages: replaced in tests.
            people: replaced in tests.
            is_masked: tells whether a unit is masked on disk; replaced in tests.
        """
        self._config = config.decision.changes
        self._clock = clock
        self._systemd = systemd
        self._units = tuple(service.unit for service in config.services)
        self._packages = packages or Packages()
        self._markers = Markers(Path(self._config.markers))
        self._people = people or People()
        self._is_masked = is_masked
        self._by_people: dict[str, Change] = {}
        self._lasting: dict[str, _Lasting] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._seen: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._jobs: set[str] = set()
        self._leaving: set[str] = set()
        self._job_of: dict[str, int] = {}
        self._explained: set[str] = set()
        self._state: dict[str, str] = {}
        self._presumed: dict[str, tuple[Person, Instant]] = {}
        self._looked_ns = 0
        self._again: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.looks = 0
        if self._config.enabled:
            systemd.listen(self._on_announcement)

    @property
    def problem(self) -> str:
        """Return what keeps changes from being seen."""
        return self._markers.problem

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Return what runs beside, which ends only when closed."""
        return () if self._task is None else (self._task,)

    async def start(self) -> None:
        """Begin to look for package transactions and markers once a second."""
        if self._config.enabled:
            self._task = asyncio.create_task(self._keep_looking(), name="changes")

    async def close(self) -> None:
        """Stop."""
        if self._again is not None:
            self._again.cancel()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def current(self) -> tuple[Change, ...]:
        """Return the changes being made now, or so lately that their effects are not over: the host's first, then by unit.

        Package locks and markers are looked at afresh (0.1 ms): a transaction may have begun since the last look.
        """
        if not self._config.enabled:
            return ()
        now = self._clock.now()
        if self._again is not None:
            self._again.cancel()
            self._look_again()
        else:
            self._look_at_host(now)
        self._by_people = {unit: change for unit, change in self._by_people.items() if now.mono_ns < change.until}
        lasting = [each.change for each in self._lasting.values() if now.mono_ns < each.change.until]
        return tuple(sorted([*lasting, *self._by_people.values()], key=lambda change: str(change.entity or "")))

    async def _keep_looking(self) -> None:
        while True:
            self._look_at_host(self._clock.now())
            await asyncio.sleep(LOOK_EVERY_S)

    def _look_at_host(self, now: Instant) -> None:
        transaction = self._packages.current()
        if transaction is not None:
            self._last("packages", (transaction.pid,), _of_transaction(transaction, now), now)
        markers = {f"marker {marker.name}": marker for marker in self._markers.current()}
        for key, marker in markers.items():
            self._last(key, marker.stamp, _of_marker(marker, now), now, began_utc_ns=marker.touched_utc_ns)
        for key in [key for key in self._stamps if key not in markers and not (key == "packages" and transaction)]:
            del self._stamps[key]
        self._lasting = {
            key: each for key, each in self._lasting.items() if key in self._stamps or now.mono_ns < each.change.until
        }

    def _last(self, key: str, stamp: tuple[int, ...], change: Change, now: Instant, *, began_utc_ns: int = 0) -> None:
        """Let a change that is seen now last a while longer, but never beyond its end."""
        known = self._lasting.get(key)
        if known is None or self._stamps.get(key) != stamp:
            # What was there before orderd was started has had some of its time; a wall clock that jumped can only shorten it.
            past_ns = max(0, now.utc_ns - began_utc_ns) if began_utc_ns else 0
            known = _Lasting(change=change, end=now.mono_ns + int(self._config.longest_s * 1e9) - past_ns)
        self._stamps[key] = stamp
        # It is looked at once a second; so much longer it may stand without being seen.
        seen_until = now.mono_ns + int((self._config.settle_s + 2 * LOOK_EVERY_S) * 1e9)
        until = min(known.end, seen_until)
        self._lasting[key] = replace(known, change=replace(change, since=known.change.since, until=until))

    def _on_announcement(self, unit: str, changed: Mapping[str, Any]) -> None:
        job = int((changed.get("Job") or (0,))[0])
        has_job = job != 0
        if unit and has_job:
            self._jobs.add(unit)
            # A start's job is still there when the unit is up already: only a job that is new to a unit that is up can end it.
            if job != self._job_of.get(unit) and self._state_before(unit, changed) in _UP:
                self._leaving.add(unit)
            self._job_of[unit] = job
        elif "Job" in changed:
            self._job_of.pop(unit, None)
        if unit and (state := changed.get("ActiveState")):
            self._moved(unit, state)
        if not unit or has_job or "UnitFileState" in changed or changed.get("ActiveState") in _DOWN:
            self._look_soon()

    def _state_before(self, unit: str, changed: Mapping[str, Any]) -> str | None:
        """Return the state a unit had before an announcement, which may tell of a job and of what it has done already."""
        known = self._systemd.properties(unit) or {}
        return self._state.get(unit) or known.get("ActiveState") or changed.get("ActiveState")

    def _moved(self, unit: str, state: str) -> None:
        before, self._state[unit] = self._state.get(unit), state
        if state == "active" and before not in {None, "active"}:
            self._came_back(unit)
            self._explained.discard(unit)
        if state == "failed" or (state == "active" and before != "active"):
            self._presumed.pop(unit, None)
        elif state == "inactive" and unit in self._presumed:
            person, since = self._presumed.pop(unit)
            if self._clock.now().seconds_since(since) < PRESUMED_S:
                self._presume(unit, person, since)

    def _presume(self, unit: str, person: Person, since: Instant) -> None:
        command = Command(verb="stop", aim=Aim.HALT, units=(unit,), words=f"stopped {unit}, presumably")
        self._note(unit, command, str(person), since)

    def _came_back(self, unit: str) -> None:
        """The unit runs again: what was done to it is over, but for a moment to settle."""
        if unit in self._by_people:
            change = self._by_people[unit]
            settled = self._clock.now().mono_ns + int(self._config.settle_s * 1e9)
            self._by_people[unit] = replace(change, until=min(change.until, settled))

    def _look_soon(self) -> None:
        """Look at once, or as soon as the least distance between two looks has passed."""
        if self._again is not None:
            return
        now = self._clock.now()
        wait_s = LOOK_AGAIN_S - (now.mono_ns - self._looked_ns) / 1e9
        if wait_s <= 0:
            self._look(now)
        else:
            self._again = asyncio.get_running_loop().call_later(wait_s, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._look(self._clock.now())

    def _look(self, now: Instant) -> None:
        self._look_at_host(now)
        self.looks += 1
        self._looked_ns = now.mono_ns
        jobs, self._jobs = self._jobs, set()
        for process in self._people.named(PROGRAMS):
            command = read_command(process.argv)
            if command is not None and (process.pid, process.start) not in self._seen:
                self._take(process, command, jobs, now)
        leaving, self._leaving = self._leaving, set()
        self._wonder(leaving - self._explained, now)

    def _wonder(self, unexplained: set[str], now: Instant) -> None:
        """Remember who was at a terminal while a unit that nobody seems to have touched was given a job."""
        person = self._people.recently_at_a_terminal(now.utc_ns) if unexplained else None
        if person is None:
            return
        for unit in unexplained & set(self._units):
            if self._state.get(unit) == "inactive":
                self._presume(unit, person, now)
            elif unit not in self._presumed:
                self._presumed[unit] = person, now

    def _take(self, process: Process, command: Command, jobs: set[str], now: Instant) -> None:
        units = [unit for unit in self._units if self._is_about(command, unit, jobs)]
        units = [unit for unit in units if self._happened(process, command, unit, jobs)]
        if not units:
            return
        try:
            person = self._people.person_behind(process)
        except VanishedError:
            return  # it explains nothing
        self._explained.update(units)
        self._remember(process)
        if person is None:
            _log.info("%s (pid %d) is not a person in a login", clean(command.words), process.pid)
            return
        for unit in units:
            self._note(unit, command, str(person), now)

    def _is_about(self, command: Command, unit: str, jobs: set[str]) -> bool:
        said = self._systemd.properties(unit) or {}
        if command.names(unit, said.get("Names") or ()):
            return True
        # A unit that is stopped with the one that was named, as postgresql@15-main.service is with postgresql.service.
        bound = [name for relation in _BOUND_BY for name in said.get(relation) or ()]
        return unit in jobs and command.aim is not Aim.RETURN and any(command.names(name) for name in bound)

    def _happened(self, process: Process, command: Command, unit: str, jobs: set[str]) -> bool:
        """Tell whether it is more than a name: only root's, or what took effect, counts; anybody may call a program systemctl."""
        if self._people.uid(process.pid) == 0 or unit in jobs:
            return True
        return command.verb == "mask" and self._is_masked(unit)

    def _note(self, unit: str, command: Command, who: str, now: Instant) -> None:
        if command.aim is Aim.RETURN:
            # One that does not run yet comes back when it does; until then the person is still at it.
            if (self._systemd.properties(unit) or {}).get("ActiveState") == "active":
                self._came_back(unit)
            return
        change = Change(
            kind=ChangeKind.PERSON,
            entity=Entity(kind=EntityKind.UNIT, key=unit),
            who=who,
            what=clean(command.words),
            since=now,
            until=now.mono_ns + int(self._config.person_s * 1e9),
        )
        self._by_people[unit] = change
        _log.info("%s is being changed by a person: %s, by %s", unit, change.what, change.who)

    def _remember(self, process: Process) -> None:
        self._seen[process.pid, process.start] = None
        while len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)


def _of_transaction(transaction: Transaction, now: Instant) -> Change:
    who = f"{transaction.program} (pid {transaction.pid})" if transaction.pid else transaction.program
    what = f"a package transaction holds {transaction.lock}"
    return Change(kind=ChangeKind.PACKAGES, entity=None, who=who, what=what, since=now, until=now.mono_ns)


def _of_marker(marker: Marker, now: Instant) -> Change:
    what = f"deploy marker {marker.name}" + (f": {marker.why}" if marker.why else "")
    return Change(kind=ChangeKind.MARKER, entity=marker.entity, who=marker.who, what=what, since=now, until=now.mono_ns)
