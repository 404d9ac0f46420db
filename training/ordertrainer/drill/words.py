"""How faults, targets and figures are called when people read them. Pure."""

from __future__ import annotations

from typing import Final

from ordertrainer.drill.result import Drill, Run, ended_well, passed

FAULTS: Final = {
    "service_kill": "service killed",
    "service_stop": "service stopped",
    "service_mask": "service masked",
    "service_hang": "service hung",
    "service_crash_loop": "service crash-looping",
    "disk_fill": "disk filled by a log",
    "cpu_runaway": "runaway process",
    "memory_leak": "memory leak",
    "dns_wrong_server": "wrong DNS server",
    "clock_step": "clock stepped",
    "planned_restart": "planned restart",
    "backup_job": "backup job",
}
QUIET: Final = "quiet"
WHOLE_FROM_S: Final = 100
UNITS: Final = {
    "nginx.service": "nginx",
    "redis-server.service": "redis",
    "postgresql@15-main.service": "PostgreSQL",
    "drill-worker.service": "worker",
    "dnsmasq.service": "dnsmasq",
}


def fault_words(fault: str) -> str:
    """Return how a fault is called; two at once are joined by a plus."""
    return " + ".join(FAULTS.get(name, name.replace("_", " ")) for name in fault.split("+"))


def target_words(target: str) -> str:
    """Return how a target is called."""
    kind, _, key = target.partition(":")
    if kind == "unit":
        return UNITS.get(key, key.removesuffix(".service"))
    if kind == "process":
        return f"process {key.partition(':')[0]}" if key else "a process"
    return {"resolver": "resolver", "clock": "clock", "host": "host"}.get(kind, key)


def seconds_words(value: float | None) -> str:
    """Return a duration as people say it: in milliseconds below a second, without decimals when it is long."""
    if value is None:
        return "never"
    if round(value, 2) < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if round(value, 1) < WHOLE_FROM_S else f"{value:.0f} s"


def number(count: int, thing: str) -> str:
    """Return a count with its thing, in the plural where it has to be."""
    return f"{count} {thing}{'' if count == 1 else 'es' if thing.endswith('ch') else 's'}"


def summary_words(drill: Drill) -> str:
    """Return the verdict of a drill in one line."""
    landed = [run for run in drill.runs if run.landed]
    faults = [run for run in landed if not run.decoy and run.outcome != "not_seen" and not _in_hands(run)]
    decoys = [run for run in landed if run.decoy and run.fault != QUIET]
    quiet = [run for run in landed if run.fault == QUIET]
    parts = [f"{_count(faults, 'repaired')} of {number(len(faults), 'fault')} repaired"] if faults else []
    parts += [f"{_count(decoys, 'left_alone')} of {number(len(decoys), 'decoy')} left alone"] if decoys else []
    median = drill.summary.seconds.healthy.median
    parts[:1] = [f"{parts[0]} in {seconds_words(median)} (median)"] if faults and median is not None else parts[:1]
    parts += [f"{_count(quiet, 'failed')} false repairs in {number(len(quiet), 'quiet stretch')}"] if quiet else []
    handed = sum(map(_in_hands, landed))
    parts += [f"{handed} rightly handed to a person"] if handed else []
    parts += [f"{drill.summary.counts.not_seen} not seen"] if drill.summary.counts.not_seen else []
    parts += [f"{drill.summary.counts.void} void"] if drill.summary.counts.void else []
    touched = drill.summary.counts.touched_healthy
    parts += [f"something healthy touched in {number(touched, 'run')}"] if touched else []
    return ("PASSED: " if passed(drill) else "FAILED: ") + (", ".join(parts) or "nothing was run")


def _in_hands(run: Run) -> bool:
    """Tell whether a run is in the hands of a person, where it belongs."""
    return run.landed and run.outcome == "escalated" and ended_well(run)


def _count(runs: list[Run], outcome: str) -> int:
    return sum(run.outcome == outcome for run in runs)
