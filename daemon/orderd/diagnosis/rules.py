"""The rule diagnoser: the floor that works without a model. Pure; one rule a failure class.

A rule sees one entity's window and answers with the evidence, or with an empty string. The first rule of the entity's kind
that answers wins: they are ordered from the most specific symptom to the least. Thresholds are constants with their reason.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, HOST_INDEX, HOST_SIGNALS, SLOT_AGES_S
from orderd.domain.values import Diagnosis, Source
from orderd.domain.window import Window

DISK_FULL_RATIO: Final = 0.95
"""ext4 keeps 5 % for root: from here on unprivileged writers fail or will within seconds."""
RUNAWAY_CORES: Final = 1.1
"""More than one thread that never sleeps; a single one is what compression and backups look like."""
BUSY_HOST_RATIO: Final = 0.65
"""A busy process harms nobody while a third of the host is free."""
STARVING_CORES: Final = 0.9
STARVING_RATIO: Final = 0.6
"""Somebody always waits for the processor: then one thread that never sleeps is enough, as on a host with one core."""
LEAK_RATIO_PER_S: Final = 0.004
"""0.4 % of the host's memory a second fills it in four minutes."""
LEAK_MEMORY_RATIO: Final = 0.08
"""Below this size growth is a program that starts."""
STOPPED_RATIO: Final = 0.5
HUNG_AFTER_S: Final = 0.45
"""A probe that has waited this long while the processes are stopped by a signal will not be answered."""
REFUSED_WITHIN_S: Final = 0.2
"""An error that comes this fast was said by somebody; a later one is a time-out, which a busy host has too."""
CRASH_RESTARTS_PER_S: Final = 0.15
"""Two restarts in ten seconds are no accident."""
STABLE_S: Final = 2.0
"""A service that has run this long has left its loop, whatever the count of the last ten seconds says."""
CLOCK_STEP_S: Final = 2.0
SLOW_S: Final = 0.2
"""A service on its own host answers in milliseconds; a fifth of a second, every time, is what people notice."""
SLOW_SLOTS: Final = 5
"""Newest slots that must all be slow: ages 0 to 8 s; a cold cache or a checkpoint is over by then."""
ANSWERED_SLOTS_MIN: Final = 3
"""Of these; a question that timed out took long as well. Whoever answers more seldom is on the way to be hung."""
CALM_RATIO: Final = 0.25
"""From this share of time on that somebody waits for CPU, memory or disk, a slow answer is the host's fault."""
INODES_FULL_RATIO: Final = 0.98
"""Nothing is reserved for root here, and every file needs one: at 98 % of a small volume some dozens are left."""
STUCK_S: Final = 5.0
"""A disk that spins up and a server that fails over have answered by then."""
STALLED_S: Final = 0.5
"""Not stuck yet, but what works on it waits."""
READ_ONLY_SLOTS: Final = 2
"""Ages 0 and 1 s: a snapshot may hold a file system for a moment."""
CROWDED_RATIO: Final = 0.5
"""Who sends more than all others together leaves them waiting."""
DOWN_SLOTS: Final = 3
"""Ages 0, 1 and 2 s: a link that is set up anew was down for a moment."""
_SOME: Final = 1e-6
SUSTAINED_SLOTS: Final = 4
"""Newest slots that must agree for slow symptoms: ages 0, 1, 2 and 4 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One entity inside a window, read by signal name."""

    window: Window
    index: int

    def now(self, signal: str) -> float:
        return self.window.now(self.index, ENTITY_INDEX[signal])

    def series(self, signal: str) -> tuple[float, ...]:
        return self.window.series(self.index, ENTITY_INDEX[signal])

    def sustained(self, signal: str, threshold: float) -> bool:
        """Tell whether the signal was at least ``threshold`` in each of the newest slots; a missing slot is a no."""
        return all(value >= threshold for value in self.series(signal)[:SUSTAINED_SLOTS])

    def host_sustained(self, *signals: str, threshold: float) -> bool:
        width = len(HOST_SIGNALS)
        sums = (sum(self.window.host[slot * width + HOST_INDEX[s]] for s in signals) for slot in range(SUSTAINED_SLOTS))
        return all(total >= threshold for total in sums)


def _masked(view: _View) -> str:
    if view.now("unit_masked_ratio") >= 1 and not view.now("unit_active_ratio") >= 1:
        return "the unit is masked and not running"
    return ""


def _load_error(view: _View) -> str:
    if view.now("unit_load_error_ratio") >= 1 and view.now("unit_active_ratio") == 0:
        return "it is not running and systemd cannot read its unit file"
    return ""


def _start_limit(view: _View) -> str:
    """See a unit that systemd has given up; one whose drop-ins changed has a cause with a repair of its own."""
    given_up = view.now("unit_result_start_limit_ratio") >= 1 and view.now("unit_failed_ratio") >= 1
    if given_up and not view.now("unit_transition_ratio") >= 1 and not view.now("unit_dropins_changed_ratio") >= 1:
        return "started too often, and systemd starts it no more"
    return ""


def _crash_loop(view: _View) -> str:
    changed = view.now("unit_dropins_changed_ratio") >= 1
    restarts = view.now("unit_restarts_per_s")
    start_limit = view.now("unit_result_start_limit_ratio") >= 1
    failing = view.now("unit_result_exit_ratio") >= 1 or start_limit
    if restarts >= CRASH_RESTARTS_PER_S and not view.now("unit_active_s") >= STABLE_S:
        return f"{restarts:.2f} automatic restarts a second"
    if changed and failing and not view.now("unit_active_ratio") >= 1:
        return "its drop-ins changed and it fails to start"
    return ""


def _hung(view: _View) -> str:
    if not view.now("unit_active_ratio") >= 1:
        return ""
    unanswered = view.now("probe_ok_ratio") == 0 or view.now("probe_latency_s") >= HUNG_AFTER_S
    if view.now("unit_main_stopped_ratio") >= STOPPED_RATIO and unanswered:
        return "active, its processes are stopped and its probe is not answered"
    if _silent(view) and view.now("unit_active_s") >= SLOT_AGES_S[SUSTAINED_SLOTS - 1]:
        return "active, and its probe has failed for 4 s"
    probed = not (math.isnan(view.now("probe_ok_ratio")) and math.isnan(view.now("probe_latency_s")))
    if not probed and view.sustained("unit_main_stopped_ratio", 1.0):
        return "active, nobody probes it, and all of its processes have been stopped for 4 s"
    return ""


def _silent(view: _View) -> bool:
    """Tell whether the probe has failed for 4 s on a host that has time to answer; a starved host misses every time-out."""
    failed = all(value == 0 for value in view.series("probe_ok_ratio")[:SUSTAINED_SLOTS])
    return failed and not view.host_sustained("pressure_cpu_ratio", threshold=STARVING_RATIO)


def _slow(view: _View) -> str:
    """See a service that answers mostly, and slowly each time, on a host that has room; a hung one does not answer."""
    answered = sum(value >= 1 for value in view.series("probe_ok_ratio")[:SLOW_SLOTS]) >= ANSWERED_SLOTS_MIN
    slow = all(value >= SLOW_S for value in view.series("probe_latency_s")[:SLOW_SLOTS])
    running = view.now("unit_active_ratio") >= 1 and view.now("unit_main_stopped_ratio") == 0
    if answered and slow and running and _calm(view):
        return f"every answer of the last 8 s took longer than {SLOW_S:g} s or did not come, on a host that has room"
    return ""


def _calm(view: _View) -> bool:
    """Tell whether nobody waits for CPU, memory or disk, now or lately; what cannot be measured speaks against nothing."""
    width = len(HOST_SIGNALS)
    columns = [HOST_INDEX[f"pressure_{what}_ratio"] for what in ("cpu", "memory", "io")]
    return not any(view.window.host[slot * width + column] >= CALM_RATIO for slot in range(SLOW_SLOTS) for column in columns)


def _down(view: _View) -> str:
    if view.now("unit_active_ratio") == 0 and view.now("unit_transition_ratio") == 0:
        state = "failed" if view.now("unit_failed_ratio") >= 1 else "inactive"
        return f"the unit is {state} and nothing is queued to start it"
    refused = view.now("probe_ok_ratio") == 0 and view.now("probe_latency_s") < REFUSED_WITHIN_S
    unseen = all(math.isnan(view.now(f"unit_{state}_ratio")) for state in ("active", "failed", "transition"))
    if unseen and refused:
        return "systemd does not say how it is, and where it should answer nobody listens"
    return ""


def _squeezed(view: _View) -> str:
    """See a running service that was given less than the record says; whether it suffers yet does not matter."""
    if not view.now("unit_active_ratio") >= 1:
        return ""
    if _stands(view, "unit_limits_changed_ratio"):
        return "its control group has other limits than the record says"
    return "its processes have a lower priority than the record says" if _stands(view, "unit_priority_changed_ratio") else ""


def _stands(view: _View, signal: str) -> bool:
    """Tell whether a difference from the record has stood for 4 s: whoever changes a thing by steps is not interrupted."""
    return view.sustained(signal, _SOME)


def _mount_stuck(view: _View) -> str:
    stuck_s = view.now("mount_stuck_s")
    return f"the file system has not answered for {stuck_s:.0f} s" if stuck_s >= STUCK_S else ""


def _mount_missing(view: _View) -> str:
    """See a declared path where nothing is mounted: it has a row, and nothing in it."""
    signals = ("mount_read_only_ratio", "mount_stuck_s", "mount_used_ratio", "mount_inodes_used_ratio")
    return "nothing is mounted there" if all(math.isnan(view.now(signal)) for signal in signals) else ""


def _read_only(view: _View) -> str:
    if all(value >= 1 for value in view.series("mount_read_only_ratio")[:READ_ONLY_SLOTS]):
        return "mounted read-only, and not declared to be"
    return ""


def _access_lost(view: _View) -> str:
    changed = _stands(view, "mount_access_changed_ratio")
    return "owner or mode of its top directory are not those of the record" if changed else ""


def _inodes_full(view: _View) -> str:
    used = view.now("mount_inodes_used_ratio")
    return f"{used:.1%} of the inodes are used: no file can be made" if used >= INODES_FULL_RATIO else ""


def _disk_full(view: _View) -> str:
    used = view.now("mount_used_ratio")
    if used >= DISK_FULL_RATIO and view.now("mount_fill_ratio_per_s") >= -0.001:  # noqa: PLR2004  a mount being emptied is left alone
        return f"{used:.1%} of the mount is used"
    return ""


def _runaway(view: _View) -> str:
    if view.now("process_of_service_ratio") >= 1:
        return ""
    busy = view.host_sustained("cpu_user_ratio", "cpu_system_ratio", threshold=BUSY_HOST_RATIO)
    starving = view.host_sustained("pressure_cpu_ratio", threshold=STARVING_RATIO)
    spinning = starving and view.sustained("process_cpu_user_cores", STARVING_CORES)
    # In user mode alone a thread that never sleeps is odd; backups and upgrades spend theirs in the kernel.
    user, system = view.series("process_cpu_user_cores"), view.series("process_cpu_system_cores")
    cores = [u + (0.0 if math.isnan(s) else s) for u, s in zip(user, system, strict=True)]
    if spinning or ((busy or starving) and all(taken >= RUNAWAY_CORES for taken in cores[:SUSTAINED_SLOTS])):
        return f"{cores[0]:.1f} cores for 4 s on a host without room"
    return ""


def _leak(view: _View) -> str:
    memory = view.now("process_memory_ratio")
    if view.now("process_of_service_ratio") >= 1 or not memory >= LEAK_MEMORY_RATIO:
        return ""
    if view.sustained("process_memory_growth_ratio_per_s", LEAK_RATIO_PER_S):
        return f"holds {memory:.0%} of the memory and has grown for 4 s"
    return ""


def _dns(view: _View) -> str:
    if view.now("probe_ok_ratio") == 0 and view.now("probe_latency_s") < REFUSED_WITHIN_S:
        return "every name server of resolv.conf refuses"
    if _silent(view):
        return "no name server of resolv.conf has answered for 4 s"
    return "/etc/hosts answers for a name that it did not know" if _stands(view, "resolver_overridden_ratio") else ""


def _clock(view: _View) -> str:
    step = view.now("clock_step_s")
    return f"the wall clock moved by {step:+.1f} s" if abs(step) >= CLOCK_STEP_S else ""


def _nic_down(view: _View) -> str:
    """See a link without carrier or set down, for two looks: one that is renegotiated is back by then."""
    down = all(value >= 1 for value in view.series("nic_down_ratio")[:DOWN_SLOTS])
    return "the link is down" if down else ""


def _nic_saturated(view: _View) -> str:
    if view.sustained("nic_crowded_ratio", CROWDED_RATIO):
        return f"one sender's connections crowd it: {view.now('nic_crowded_ratio'):.0%} of what it sends for 4 s"
    return ""


_NIC_DIFFERENCES: Final = {
    "nic_addresses_missing_ratio": "it has no address left of a kind that it had",
    "nic_routes_missing_ratio": "routes over it are gone",
    "nic_mtu_changed_ratio": "its MTU is another one",
    "nic_queueing_changed_ratio": "somebody's queueing stands before it",
    "nic_neighbours_fixed_ratio": "a neighbour's hardware address was fixed",
}
_HOST_DIFFERENCES: Final = {
    "host_settings_changed_ratio": "kernel settings are not those of the record",
    "host_name_changed_ratio": "the host has another name",
    "host_login_broken_ratio": "sshd or sudo cannot read its configuration",
}


def _differs(differences: dict[str, str]) -> Callable[[_View], str]:
    """Return a rule that names whatever differs from the record."""

    def rule(view: _View) -> str:
        return ", ".join(words for signal, words in differences.items() if _stands(view, signal))

    return rule


_RULES: Final[dict[EntityKind, tuple[tuple[Failure, Callable[[_View], str]], ...]]] = {
    EntityKind.UNIT: (
        (Failure.SERVICE_MASKED, _masked),
        (Failure.SERVICE_LOAD_ERROR, _load_error),
        (Failure.SERVICE_START_LIMIT, _start_limit),
        (Failure.SERVICE_CRASH_LOOP, _crash_loop),
        (Failure.SERVICE_SQUEEZED, _squeezed),  # before what it leads to: a service without processor time does not answer
        (Failure.SERVICE_HUNG, _hung),
        (Failure.SERVICE_SLOW, _slow),
        (Failure.SERVICE_DOWN, _down),
    ),
    EntityKind.MOUNT: (
        (Failure.MOUNT_STUCK, _mount_stuck),
        (Failure.MOUNT_MISSING, _mount_missing),
        (Failure.MOUNT_READ_ONLY, _read_only),
        (Failure.DISK_FULL, _disk_full),
        (Failure.DISK_INODES_FULL, _inodes_full),
        (Failure.MOUNT_ACCESS_LOST, _access_lost),
    ),
    EntityKind.PROCESS: ((Failure.MEMORY_LEAK, _leak), (Failure.CPU_RUNAWAY, _runaway)),
    EntityKind.RESOLVER: ((Failure.DNS_BROKEN, _dns),),
    EntityKind.CLOCK: ((Failure.CLOCK_STEPPED, _clock),),
    EntityKind.NIC: (
        (Failure.NIC_DOWN, _nic_down),
        (Failure.NIC_MISCONFIGURED, _differs(_NIC_DIFFERENCES)),
        (Failure.NIC_SATURATED, _nic_saturated),
    ),
    EntityKind.HOST: ((Failure.HOST_MISCONFIGURED, _differs(_HOST_DIFFERENCES)),),
}


_EMERGING: Final[dict[EntityKind, tuple[tuple[Failure, tuple[str, ...], float], ...]]] = {
    EntityKind.MOUNT: (
        (Failure.MOUNT_STUCK, ("mount_stuck_s",), STALLED_S),
        (Failure.MOUNT_READ_ONLY, ("mount_read_only_ratio",), _SOME),
        (Failure.MOUNT_ACCESS_LOST, ("mount_access_changed_ratio",), _SOME),
    ),
    EntityKind.NIC: ((Failure.NIC_MISCONFIGURED, tuple(_NIC_DIFFERENCES), _SOME),),
}
"""What a rule waits for, because it may pass or somebody may be at work, and from where on its signals tell of it; what it breaks
does not wait."""
_RULE_OF: Final = {failure: rule for rules in _RULES.values() for failure, rule in rules}


def holds(failure: Failure, window: Window, index: int) -> bool:
    """Tell whether the rule of a failure answers for one entity, whatever other rules say.

    Args:
        failure: one that has a rule.
        window: the newest one.
        index: the entity's place in it.
    """
    return bool(_RULE_OF[failure](_View(window=window, index=index)))


def by_rules(window: Window) -> tuple[Diagnosis, ...]:
    """Diagnose every entity of a window by rules.

    Args:
        window: the newest window.

    Returns:
        One diagnosis per failing entity, in the window's order.
    """
    found: list[Diagnosis] = []
    for index, entity in enumerate(window.entities):
        view = _View(window=window, index=index)
        for failure, rule in _RULES[entity.kind]:
            if evidence := rule(view):
                found.append(Diagnosis(failure=failure, entity=entity, probability=1.0, source=Source.RULES, evidence=evidence))
                break
    return tuple(found)


def emerging(window: Window) -> tuple[Diagnosis, ...]:
    """Return what begins to show and does not stand yet: a likely cause of whatever else fails now.

    Args:
        window: the newest window.

    Returns:
        Diagnoses that nobody acts on, in the window's order.
    """
    found: list[Diagnosis] = []
    for index, entity in enumerate(window.entities):
        view = _View(window=window, index=index)
        found += [
            Diagnosis(failure=failure, entity=entity, probability=1.0, source=Source.RULES, evidence="it has begun to show")
            for failure, signals, least in _EMERGING.get(entity.kind, ())
            if any(view.now(signal) >= least for signal in signals) and not _RULE_OF[failure](view)
        ]
    return tuple(found)
