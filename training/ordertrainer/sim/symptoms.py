"""How each failure class looks, beyond what a contract's own steps say. Pure; the one table of it.

A fault looks like its class, and like what its witness is told to look for (`evidence`). Two faults of one class and with one
witness look the same: which of them it is can only be found out by trying. Every failure class has an entry; a test says so.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, ENTITY_SIGNALS
from ordertrainer.chaos.contract import NEW, FaultContract
from ordertrainer.sim.effects import GONE, NO, UNBOUNDED, YES, Effect, clock, cycle, early, late, put, ramp
from ordertrainer.sim.evidence import REFUSED_S, SERVICE_DOWN, STARTS_NO_MORE, UNANSWERED_S, Signs, signs_of
from ordertrainer.sim.fitted import Fitted

Signals = dict[str, Effect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """How a failure class looks.

    Attributes:
        always: what every fault of the class shows.
        otherwise: what one shows whose contract says nothing of the entity's signals; by kind where the class has no kind.
        breaks_after_s: from then on what rests on the entity fails its probes and cannot be repaired; UNBOUNDED: never.
        breaks_latency_s: how long those probes take.
    """

    always: Signals = field(default_factory=dict[str, Effect])
    otherwise: dict[EntityKind, Signals] = field(default_factory=dict[EntityKind, Signals])
    breaks_after_s: float = UNBOUNDED
    breaks_latency_s: float = UNANSWERED_S


def _down(**more: Effect) -> Symptom:
    return Symptom(always={**SERVICE_DOWN, **more}, breaks_after_s=0.0, breaks_latency_s=REFUSED_S)


_SILENT: Final = {"probe_ok_ratio": NO, "probe_latency_s": put(UNANSWERED_S)}
_MEASURED_OF_A_MOUNT: Final = ("mount_used_ratio", "mount_inodes_used_ratio", "mount_fill_ratio_per_s")
_FILLS: Final = {"mount_used_ratio": ramp((0.03, 0.16), (1.0, 1.0))}

CLASSES: Final = {
    Failure.OK: Symptom(otherwise={EntityKind.PROCESS: {"process_cpu_user_cores": put(0.3, 0.8)}}),
    Failure.SERVICE_DOWN: _down(),
    Failure.SERVICE_MASKED: _down(unit_masked_ratio=YES),
    Failure.SERVICE_LOAD_ERROR: _down(unit_load_error_ratio=YES),
    Failure.SERVICE_START_LIMIT: Symptom(
        always={**STARTS_NO_MORE, "unit_result_start_limit_ratio": YES}, breaks_after_s=0.0, breaks_latency_s=REFUSED_S
    ),
    Failure.SERVICE_CRASH_LOOP: Symptom(
        always={
            "unit_active_ratio": early(),
            "unit_transition_ratio": late(),
            "unit_active_s": cycle(),
            "unit_restarts_per_s": put(0.5),
            "unit_result_exit_ratio": YES,
            "probe_ok_ratio": NO,
            "probe_latency_s": put(REFUSED_S),
        },
        breaks_after_s=0.0,
        breaks_latency_s=REFUSED_S,
    ),
    Failure.SERVICE_HUNG: Symptom(otherwise={EntityKind.UNIT: _SILENT}, breaks_after_s=0.0),
    Failure.SERVICE_SLOW: Symptom(otherwise={EntityKind.UNIT: {"probe_latency_s": put(0.26, 0.45)}}),
    Failure.SERVICE_SQUEEZED: Symptom(otherwise={EntityKind.UNIT: {"unit_limits_changed_ratio": YES}}),
    Failure.DISK_FULL: Symptom(otherwise={EntityKind.MOUNT: _FILLS}, breaks_after_s=10.0),
    Failure.DISK_INODES_FULL: Symptom(
        otherwise={EntityKind.MOUNT: {"mount_inodes_used_ratio": ramp((0.08, 0.2), (1.0, 1.0))}}, breaks_after_s=10.0
    ),
    Failure.MOUNT_READ_ONLY: Symptom(always={"mount_read_only_ratio": YES, "mount_fill_ratio_per_s": NO}, breaks_after_s=2.0),
    Failure.MOUNT_MISSING: Symptom(
        always={s.name: GONE for s in ENTITY_SIGNALS if EntityKind.MOUNT in s.kinds}, breaks_after_s=1.0
    ),
    Failure.MOUNT_STUCK: Symptom(
        always={"mount_stuck_s": clock(), **dict.fromkeys(_MEASURED_OF_A_MOUNT, GONE), "mount_access_changed_ratio": GONE},
        breaks_after_s=1.0,
    ),
    Failure.MOUNT_ACCESS_LOST: Symptom(always={"mount_access_changed_ratio": YES}, breaks_after_s=5.0),
    Failure.CPU_RUNAWAY: Symptom(otherwise={EntityKind.PROCESS: {"process_cpu_user_cores": put(1.2, 3.5)}}),
    Failure.MEMORY_LEAK: Symptom(otherwise={EntityKind.PROCESS: {"process_memory_ratio": ramp((0.006, 0.03), (0.8, 0.85))}}),
    Failure.DNS_BROKEN: Symptom(otherwise={EntityKind.RESOLVER: _SILENT}),
    Failure.CLOCK_STEPPED: Symptom(otherwise={EntityKind.CLOCK: {"clock_step_s": put(60.0, 3600.0)}}),
    Failure.NIC_DOWN: Symptom(always={"nic_down_ratio": YES}, breaks_after_s=1.0),
    Failure.NIC_MISCONFIGURED: Symptom(otherwise={EntityKind.NIC: {"nic_routes_missing_ratio": put(0.5)}}),
    Failure.NIC_SATURATED: Symptom(always={"nic_crowded_ratio": put(0.8, 1.0)}),
    Failure.HOST_MISCONFIGURED: Symptom(otherwise={EntityKind.HOST: {"host_settings_changed_ratio": put(0.1)}}),
    Failure.UNKNOWN: Symptom(
        otherwise={
            EntityKind.MOUNT: _FILLS,
            EntityKind.PROCESS: {"process_cpu_user_cores": put(0.1, 0.4), "process_cpu_system_cores": put(0.1, 0.4)},
        }
    ),
}

OF_ITS_OWN_PROCESS: Final = {"process_age_s": clock(3600.0), "process_of_service_ratio": NO}
"""What every process shows that a fault or decoy started."""


def looks_of(contract: FaultContract, fitted: Fitted | None = None) -> Signs:
    """Return how a fault looks on its entity and on its host.

    Class and witness are laid over each other: what the class says always holds, unless the witness says it more exactly. Where
    traces were recorded they say when, and how strongly.
    """
    found = [signs_of(step, contract) for step in (*contract.landed, *contract.revert)]
    weak = _own(contract, [signs for signs in found if signs.weak])
    told = _own(contract, [signs for signs in found if not signs.weak])
    symptom = CLASSES[contract.failure]
    fallback = {} if weak or told else symptom.otherwise.get(contract.target, {})
    started = OF_ITS_OWN_PROCESS if NEW in contract.targets else {}
    host = {name: effect for signs in found for name, effect in signs.host.items()}
    own = {**fallback, **weak, **symptom.always, **told, **started}
    return Signs(own=own, host=host) if fitted is None else _as_recorded(Signs(own=own, host=host), contract, fitted)


def _as_recorded(signs: Signs, contract: FaultContract, fitted: Fitted) -> Signs:
    onsets = fitted.onsets.get(contract.failure, {})
    strengths = fitted.classes.get(contract.failure, {}) | fitted.strengths.get(contract.name, {})

    def changed(name: str, effect: Effect) -> Effect:
        onset, strength = onsets.get(name), strengths.get(name)
        effect = effect if onset is None else effect.begun(onset.earliest_s, onset.latest_s)
        return effect if strength is None else _share(name, effect.scaled(strength.level, strength.rate))

    own, host = ({name: changed(name, effect) for name, effect in signals.items()} for signals in (signs.own, signs.host))
    return Signs(own=own, host=host)


def _share(name: str, effect: Effect) -> Effect:
    """Return the same; what is a share is at most all."""
    low, high = effect.level
    return replace(effect, level=(min(low, 1.0), min(high, 1.0))) if name.endswith("_ratio") else effect


def _own(contract: FaultContract, found: list[Signs]) -> Signals:
    """Return what is said of signals that an entity of the target's kind has."""
    own = {name: effect for signs in found for name, effect in signs.own.items()}
    return {name: e for name, e in own.items() if contract.target in ENTITY_SIGNALS[ENTITY_INDEX[name]].kinds}
