"""A toy host with plain symptoms, for checking the trainer itself in seconds. Pure.

No figure of a model trained on it is ever quoted: its faults show exactly what the textbook says. Windows are cut by the
same History that orderd uses, so onsets, young daemons and entities that come and go are as they are on a host.

Axes: N example, E entity, S slot, H host signal, F entity signal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from orderd.domain.clock import Instant
from orderd.domain.faults import KIND_OF, Entity, EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS, HOST_INDEX, HOST_SIGNALS
from orderd.domain.values import NAN, EntityRow, Sample
from orderd.domain.window import History
from ordertrainer.dataset import Examples, Label, LabelledWindow
from ordertrainer.dataset.examples import pack

ONSET_S: Final = 10
RUN_S: Final = 24
_NS: Final = 1_000_000_000

_HEALTHY: Final = {
    EntityKind.UNIT: {
        "unit_active_ratio": 1.0, "unit_failed_ratio": 0.0, "unit_transition_ratio": 0.0, "unit_masked_ratio": 0.0,
        "unit_load_error_ratio": 0.0, "unit_restarts_per_s": 0.0, "unit_result_exit_ratio": 0.0, "unit_result_signal_ratio": 0.0,
        "unit_result_start_limit_ratio": 0.0, "unit_dropins_changed_ratio": 0.0, "unit_main_stopped_ratio": 0.0,
        "unit_active_s": 900.0, "probe_ok_ratio": 1.0, "probe_latency_s": 0.002,
    },
    EntityKind.MOUNT: {
        "mount_used_ratio": 0.4, "mount_inodes_used_ratio": 0.1, "mount_fill_ratio_per_s": 0.0, "mount_read_only_ratio": 0.0,
        "mount_stuck_s": 0.0,
    },
    EntityKind.PROCESS: {
        "process_cpu_user_cores": 0.05, "process_cpu_system_cores": 0.01, "process_memory_ratio": 0.02,
        "process_memory_growth_ratio_per_s": 0.0, "process_age_s": 600.0, "process_blocked_ratio_recent": 0.0,
        "process_threads_count": 4.0, "process_of_service_ratio": 0.0,
    },
    EntityKind.RESOLVER: {"probe_ok_ratio": 1.0, "probe_latency_s": 0.003},
    EntityKind.CLOCK: {"clock_step_s": 0.0},
}  # fmt: skip

_SYMPTOMS: Final = {
    Failure.SERVICE_DOWN: {"unit_active_ratio": 0.0, "unit_active_s": NAN, "probe_ok_ratio": 0.0},
    Failure.SERVICE_MASKED: {"unit_active_ratio": 0.0, "unit_masked_ratio": 1.0, "unit_active_s": NAN, "probe_ok_ratio": 0.0},
    Failure.SERVICE_HUNG: {"unit_main_stopped_ratio": 1.0, "probe_ok_ratio": 0.0, "probe_latency_s": 0.6},
    Failure.SERVICE_CRASH_LOOP: {"unit_restarts_per_s": 0.5, "unit_result_exit_ratio": 1.0, "unit_active_s": 1.0},
    Failure.DISK_FULL: {"mount_used_ratio": 0.98},
    Failure.CPU_RUNAWAY: {"process_cpu_user_cores": 1.0, "process_age_s": 8.0},
    Failure.MEMORY_LEAK: {"process_memory_ratio": 0.4, "process_memory_growth_ratio_per_s": 0.02},
    Failure.DNS_BROKEN: {"probe_ok_ratio": 0.0, "probe_latency_s": 0.5},
    Failure.CLOCK_STEPPED: {"clock_step_s": 3600.0},
}
_DRILLED: Final = (Failure.OK, *_SYMPTOMS)
"""Enough classes to see whether a trainer learns; the others only make it slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    run_id: str
    fault: Failure
    entities: tuple[Entity, ...]
    target: int


def toy_examples(*, seed: int, runs: int, name: str = "toy") -> Examples:
    """Draw drills on toy hosts.

    Args:
        seed: of everything drawn.
        runs: how many drills; a quiet host and every failure in turn.
        name: prefix of run and host ids, so that splits do not share any.
    """
    rng = np.random.default_rng(seed)
    drawn = (_draw_run(rng, f"{name}-{number}", number) for number in range(runs))
    return pack([labelled for run in drawn for labelled in _windows(rng, run)])


def _draw_run(rng: np.random.Generator, run_id: str, number: int) -> _Run:
    services = int(rng.integers(1, 4))
    entities = [Entity(kind=EntityKind.UNIT, key=f"service-{i}.service") for i in range(services)]
    entities += [Entity(kind=EntityKind.MOUNT, key=f"/data/{i}") for i in range(2)]
    entities += [Entity(kind=EntityKind.PROCESS, key=f"{i + 2}:{i + 1}") for i in range(2)]
    entities += [Entity(kind=EntityKind.RESOLVER, key="system"), Entity(kind=EntityKind.CLOCK, key="system")]
    fault = _DRILLED[number % len(_DRILLED)]
    able = [i for i, entity in enumerate(entities) if entity.kind is KIND_OF.get(fault)]
    return _Run(run_id=run_id, fault=fault, entities=tuple(entities), target=int(rng.choice(able)) if able else -1)


def _windows(rng: np.random.Generator, run: _Run) -> Iterator[LabelledWindow]:
    history, label = History(), _label(run)
    for second in range(RUN_S):
        failing = second >= ONSET_S and run.target >= 0
        truth = tuple(run.fault if failing and i == run.target else Failure.OK for i in range(len(run.entities)))
        window = history.add(_sample(rng, run, second))
        yield LabelledWindow(window=window, truth=truth, label=label, injected=failing)


def _label(run: _Run) -> Label:
    onset, end = ONSET_S * _NS, RUN_S * _NS
    return Label(
        run_id=run.run_id,
        host_id=run.run_id,
        fault="" if run.target < 0 else str(run.fault),
        failure=run.fault,
        entity="" if run.target < 0 else str(run.entities[run.target]),
        target="",
        intensity=None if run.target < 0 else 0.5,
        decoy=False,
        began_mono_ns=0,
        armed_mono_ns=onset,
        landed_mono_ns=onset,
        ended_mono_ns=end,
        clean_mono_ns=end,
        seed=0,
        split="train",
    )


def _sample(rng: np.random.Generator, run: _Run, second: int) -> Sample:
    failing = second >= ONSET_S
    host = np.abs(rng.normal(0.2, 0.05, len(HOST_SIGNALS)))
    if failing and run.fault is Failure.CPU_RUNAWAY:
        host[HOST_INDEX["cpu_user_ratio"]] = 0.95
    rows = tuple(
        EntityRow(entity=entity, values=_row(rng, entity, run.fault if failing and i == run.target else Failure.OK))
        for i, entity in enumerate(run.entities)
    )
    at = Instant(mono_ns=second * _NS, utc_ns=second * _NS)
    return Sample(at=at, cause="timer", host=tuple(float(v) for v in host), entities=rows)


def _row(rng: np.random.Generator, entity: Entity, failure: Failure) -> tuple[float, ...]:
    row = [NAN] * len(ENTITY_SIGNALS)
    for name, value in {**_HEALTHY[entity.kind], **_SYMPTOMS.get(failure, {})}.items():
        plain = value in {0.0, 1.0}
        row[ENTITY_INDEX[name]] = value if plain else value * float(rng.uniform(0.9, 1.1))
    return tuple(row)
