import asyncio
import math

import pytest

from orderd.config.schema import Config, HttpProbe, MountConfig, ResolverConfig, SamplingConfig, ServiceConfig
from orderd.domain.clock import SystemClock
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_SIGNALS
from orderd.sampling import Sampler


@pytest.fixture
def sampler(tmp_path):
    """Return a sampler that watches one entity of every kind."""
    config = Config(
        services=(ServiceConfig(unit="nginx.service", probe=HttpProbe(url="http://127.0.0.1:9/")),),
        mounts=(MountConfig(path="/"),),
        resolver=ResolverConfig(name="a.test"),
        sampling=SamplingConfig(known_good=str(tmp_path)),
    )
    return Sampler(config, SystemClock(), bus_address=f"unix:path={tmp_path}/no-bus")


async def test_collectors_declare_every_signal_and_no_other(sampler):
    """Declared by the collectors == declared in the vocabulary: nothing is forgotten, nothing is emitted under another name."""
    declared = frozenset().union(*(run.collector.signals for run in sampler._runs))
    assert declared == {signal.name for signal in (*HOST_SIGNALS, *ENTITY_SIGNALS)}


async def test_collectors_emit_what_they_declare_for_the_kinds_they_declare(sampler):
    """On a real host every emitted name is declared by its collector, and belongs to the entity's kind."""
    kinds = {signal.name: signal.kinds for signal in ENTITY_SIGNALS}
    await sampler.start()
    try:
        await sampler.sample("timer")
        for run in sampler._runs:
            reading = run._last
            emitted = set(reading.host).union(*reading.entities.values())
            assert emitted <= run.collector.signals
            for entity, signals in reading.entities.items():
                assert entity.kind in run.collector.kinds
                assert all(entity.kind in kinds[name] for name in signals)
    finally:
        await sampler.close()


async def test_a_sample_of_a_real_host_is_complete_and_nothing_is_invented(sampler):
    """Declared entities are all there, units are missing without systemd, and ratios of the host are ratios."""
    await sampler.start()
    try:
        first = await sampler.sample("timer")
        await asyncio.sleep(0.5)
        second = await sampler.sample("timer")
    finally:
        await sampler.close()
    assert first.failed_collectors == second.failed_collectors == ()
    assert math.isnan(first.host_signal("cpu_user_ratio"))
    for signal, value in zip(HOST_SIGNALS, second.host, strict=True):
        if signal.name.endswith("_ratio") and not math.isnan(value):
            assert 0 <= value <= 1, signal.name
    assert not math.isnan(second.host_signal("cpu_user_ratio"))
    assert [str(row.entity) for row in second.entities][:4] == [
        "unit:nginx.service",
        "mount:/",
        "resolver:system",
        "clock:system",
    ]
    unit = second.entities[0]
    assert {name for name, i in ENTITY_INDEX.items() if not math.isnan(unit.values[i])} == {"probe_ok_ratio", "probe_latency_s"}
    assert 0 < second.entities[1].signal("mount_used_ratio") <= 1
    assert abs(second.entities[3].signal("clock_step_s")) < 1
