"""The sampler: everything that watches the host, put together. Starts what runs beside (D-Bus, probes, helpers); reads the host.

``wait`` returns when something happened or time is up, ``sample`` then reads everything within a few milliseconds: what could
hang runs beside and is only looked at.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from orderd.config.schema import Config, ProbeConfig
from orderd.domain.clock import Clock
from orderd.domain.faults import Entity, EntityKind
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS
from orderd.domain.values import EntityRow, Sample
from orderd.sampling.ask import conversation
from orderd.sampling.cgroups import Cgroups
from orderd.sampling.clock import CLOCK, ClockCollector
from orderd.sampling.collector import NAN, Collector
from orderd.sampling.cpu import CpuCollector
from orderd.sampling.disk import DiskCollector
from orderd.sampling.hosts import HostsCollector
from orderd.sampling.known_good import DropIns, Limits, MountAccess
from orderd.sampling.known_good.settings import RecordFile
from orderd.sampling.limits import LimitsCollector
from orderd.sampling.link import LinkCollector
from orderd.sampling.memory import MemoryCollector
from orderd.sampling.mount import MountCollector
from orderd.sampling.nic import NicCollector
from orderd.sampling.pressure import PressureCollector
from orderd.sampling.probe import ProbeCollector
from orderd.sampling.prober import Prober
from orderd.sampling.proc import ProcessTable
from orderd.sampling.process import ProcessCollector
from orderd.sampling.resolver import RESOLVER, SERVERS_MAX, ResolverCollector, resolve, watch
from orderd.sampling.runner import CollectorRun, CollectorStats
from orderd.sampling.settings import HOST, SettingsCollector
from orderd.sampling.systemd import Systemd
from orderd.sampling.unit import UnitCollector
from orderd.sampling.wakeups import Wakeups

FOCUSED_COLLECT_S_MIN = 0.1


class Sampler:
    """Measures one host.

    Entities of a sample come in a fixed order: units and mounts as configured, resolver, clock, the host, recorded links, then
    processes by pid. Declared entities are always there, with missing signals when they could not be measured.
    """

    def __init__(self, config: Config, clock: Clock, bus_address: str | None = None) -> None:
        """Put the collectors together; nothing runs before ``start``.

        Args:
            config: what to watch.
            clock: where time comes from.
            bus_address: D-Bus address, None for the system bus.
        """
        self._config = config
        self._clock = clock
        self._wakeups = Wakeups()
        self._focused: set[Entity] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._table = ProcessTable()
        self._cgroups = Cgroups()
        self._systemd = Systemd([service.unit for service in config.services], self._on_unit, bus_address)
        self._probers = {
            _unit(service.unit): self._service_prober(service.unit, service.probe) for service in config.services if service.probe
        }
        if config.resolver.name:
            self._probers[RESOLVER] = self._resolver_prober()
        self._known_good = Path(config.sampling.known_good)
        self._mounts = MountCollector(
            [mount.path for mount in config.mounts],
            meant_read_only={mount.path for mount in config.mounts if mount.read_only},
            access=MountAccess(self._known_good),
        )
        self._units = self._unit_collector()
        self._links = LinkCollector(self._known_good)
        self._runs = [CollectorRun(collector) for collector in self._collectors()]
        self._declared = self._declared_entities()

    @property
    def systemd(self) -> Systemd:
        """Return what hears systemd, for the other senses that listen to it."""
        return self._systemd

    async def start(self) -> None:
        """Start watching; returns once the units are known, or a second later without them."""
        self._tasks = [asyncio.create_task(coroutine) for coroutine in self._background()]
        await self._systemd.start()

    async def close(self) -> None:
        """Stop everything that runs beside."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)  # supervise() has told what failed
        await self._systemd.close()
        self._mounts.close()
        self._table.close()
        self._cgroups.close()

    async def supervise(self) -> None:
        """Return, or raise what it raised, when a task that runs beside ends: what it last saw would be believed for ever."""
        done, _running = await asyncio.wait([*self._tasks, *self._systemd.tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def wait(self, timeout_s: float) -> str:
        """Wait until something happened; see ``Wakeups.wait``."""
        return await self._wakeups.wait(timeout_s)

    async def sample(self, cause: str) -> Sample:
        """Measure everything.

        Args:
            cause: what ``wait`` returned.
        """
        at = self._clock.now()
        host = [NAN] * len(HOST_SIGNALS)
        rows = {entity: [NAN] * len(ENTITY_SIGNALS) for entity in self._declared}
        for run in self._runs:
            reading = await run.read(at, self._every_s(run.collector))
            _fill(host, HOST_INDEX, reading.host)
            for entity, signals in reading.entities.items():
                _fill(rows.setdefault(entity, [NAN] * len(ENTITY_SIGNALS)), ENTITY_INDEX, signals)
        return Sample(
            at=self._clock.now(),
            cause=cause,
            host=tuple(host),
            entities=tuple(EntityRow(entity=entity, values=tuple(values)) for entity, values in rows.items()),
            failed_collectors=tuple(run.collector.name for run in self._runs if run.failed),
        )

    def nudge(self) -> None:
        """Have ``wait`` return at once with cause ``repair``: something was just done to the host."""
        self._wakeups.notify("repair")

    def focus(self, entity: Entity) -> None:
        """Look at one entity more often, at ``sampling.verify_period_s``: it is suspected, or its repair is being verified."""
        self._focused.add(entity)
        if entity in self._probers:
            self._probers[entity].focus(self._config.sampling.verify_period_s)

    def unfocus(self, entity: Entity) -> None:
        """Look at an entity as often as at any other again."""
        self._focused.discard(entity)
        if entity in self._probers:
            self._probers[entity].focus(None)

    def stats(self) -> dict[str, CollectorStats]:
        """Return how every collector fares, by name."""
        return {run.collector.name: run.stats for run in self._runs}

    def _every_s(self, collector: Collector) -> float:
        if any(entity.kind in collector.kinds for entity in self._focused):
            return min(collector.every_s, max(FOCUSED_COLLECT_S_MIN, self._config.sampling.verify_period_s))
        return collector.every_s

    def _collectors(self) -> list[Collector]:
        processes = ProcessCollector(
            table=self._table,
            cgroups=self._cgroups,
            service_groups=self._units.control_groups,
            processes_max=self._config.sampling.processes_max,
        )
        services = {entity: prober for entity, prober in self._probers.items() if entity.kind is EntityKind.UNIT}
        host = [CpuCollector(), MemoryCollector(), PressureCollector(), DiskCollector(), NicCollector()]
        units = [self._units, ProbeCollector(services), self._limits_collector()]
        return [*host, *units, self._mounts, *self._naming_and_settings(), ClockCollector(), self._links, processes]

    def _naming_and_settings(self) -> list[Collector]:
        record = RecordFile(self._known_good)
        watched = RESOLVER in self._probers
        resolver = (
            [ResolverCollector(self._probers[RESOLVER]), HostsCollector(self._config.resolver.name, record)] if watched else []
        )
        return [*resolver, SettingsCollector(record)]

    def _limits_collector(self) -> LimitsCollector:
        return LimitsCollector(
            units=[service.unit for service in self._config.services],
            properties=self._systemd.properties,
            cgroups=self._cgroups,
            stat=self._table.stat,
            limits=Limits(self._known_good),
        )

    def _unit_collector(self) -> UnitCollector:
        return UnitCollector(
            units=[service.unit for service in self._config.services],
            properties=self._systemd.properties,
            cgroups=self._cgroups,
            stat=self._table.stat,
            dropins=DropIns(self._known_good),
        )

    def _declared_entities(self) -> tuple[Entity, ...]:
        units = [_unit(service.unit) for service in self._config.services]
        mounts = [Entity(kind=EntityKind.MOUNT, key=mount.path) for mount in self._config.mounts]
        return (*units, *mounts, *([RESOLVER] if RESOLVER in self._probers else []), CLOCK, HOST)

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        running: list[Coroutine[Any, Any, None]] = [prober.run() for prober in self._probers.values()]
        running.append(self._units.watch_stopped(self._on_unit))
        running.append(self._links.watch(partial(self._wakeups.notify, "link")))
        if RESOLVER in self._probers:
            running.append(watch(self._config.resolver, self._probers[RESOLVER]))
        return running

    def _service_prober(self, unit: str, probe: ProbeConfig) -> Prober:
        return Prober(
            name=unit,
            ask=conversation(probe),
            timeout_s=probe.timeout_s,
            interval_s=probe.interval_s,
            on_flip=partial(self._wakeups.notify, "probe"),
        )

    def _resolver_prober(self) -> Prober:
        resolver = self._config.resolver
        return Prober(
            name=str(RESOLVER),
            ask=partial(resolve, resolver),
            # Each server has its own limit; this one bounds them all.
            timeout_s=SERVERS_MAX * resolver.timeout_s + resolver.timeout_s,
            interval_s=resolver.interval_s,
            on_flip=partial(self._wakeups.notify, "probe"),
        )

    def _on_unit(self, unit: str) -> None:
        self._wakeups.notify("unit")
        if (entity := _unit(unit)) in self._probers:
            self._probers[entity].hurry()


def _unit(name: str) -> Entity:
    return Entity(kind=EntityKind.UNIT, key=name)


def _fill(row: list[float], index: Mapping[str, int], signals: Mapping[str, float]) -> None:
    for name, value in signals.items():
        row[index[name]] = value
