"""``orderctl status``: is this host in order, and can orderd be trusted to keep it so. Pure rendering."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from orderd.ctl import screen
from orderd.ctl.words import clean, duration, entity_name
from orderd.v1 import host_pb2

_KIND_ORDER: Final = ("unit", "mount", "resolver", "clock", "process")


_IDENTITY_LOW_S: Final = 6 * 3600.0
"""Certificates last a day and are renewed at half of it."""


def _percent(value: float) -> str:
    return f"{value * 100:.0f} %"


def _up(value: float, yes: str, no: str) -> str:
    return yes if value >= 0.5 else no  # noqa: PLR2004 - ratios that are 0 or 1


_SAYINGS: Final[dict[str, tuple[tuple[str, Callable[[float], str]], ...]]] = {
    "unit": (
        ("unit_active_ratio", lambda v: _up(v, "active", "not active")),
        ("unit_failed_ratio", lambda v: _up(v, "failed", "")),
        ("unit_masked_ratio", lambda v: _up(v, "masked", "")),
        ("unit_transition_ratio", lambda v: _up(v, "changing", "")),
        ("unit_main_stopped_ratio", lambda v: f"{_percent(v)} of its processes stopped" if v else ""),
        ("unit_restarts_per_s", lambda v: f"restarts {v:.2g}/s" if v else ""),
        ("unit_dropins_changed_ratio", lambda v: _up(v, "drop-ins changed", "")),
        ("probe_ok_ratio", lambda v: _up(v, "probe ok", "probe fails")),
        ("probe_latency_s", lambda v: f"in {duration(v)}"),
    ),
    "mount": (
        ("mount_used_ratio", lambda v: f"{_percent(v)} used"),
        ("mount_inodes_used_ratio", lambda v: f"{_percent(v)} of inodes"),
        ("mount_read_only_ratio", lambda v: _up(v, "read-only", "")),
        ("mount_stuck_s", lambda v: f"no answer for {duration(v)}" if v else ""),
    ),
    "process": (
        ("process_cpu_user_cores", lambda v: f"{v:.2f} cores"),
        ("process_memory_ratio", lambda v: f"{_percent(v)} of memory"),
    ),
    "resolver": (
        ("probe_ok_ratio", lambda v: _up(v, "answers", "does not answer")),
        ("probe_latency_s", lambda v: f"in {duration(v)}"),
    ),
    "clock": (("clock_step_s", lambda v: f"stepped {v:+.1f} s" if abs(v) >= 0.1 else "steady"),),  # noqa: PLR2004 - what is shown
}


def signals_in_words(kind: str, signals: Mapping[str, float]) -> str:
    """Return the signals of an entity that tell a person something."""
    said = (say(signals[name]) for name, say in _SAYINGS.get(kind, ()) if name in signals)
    return ", ".join(word for word in said if word).replace(", in ", " in ")


def _incidents(count: int) -> str:
    return "1 incident open" if count == 1 else f"{count} incidents open"


def _headline(status: host_pb2.GetStatusResponse) -> Text:
    failing = sum(bool(entity.failure) for entity in status.entities)
    verdict, style = "in order", "bold green"
    if failing or status.open_incidents:
        verdict, style = f"{failing} failing, {_incidents(status.open_incidents)}", "bold red"
    elif status.HasField("pause"):
        verdict, style = "in order, repairs are paused", "bold yellow"
    elif status.degraded:
        verdict, style = "in order, orderd degraded", "bold yellow"
    tail = f"   {status.mode}   up {duration(status.uptime_s)}   orderd {status.version}"
    return Text.assemble((clean(status.hostname), "bold"), "   ", (verdict, style), clean(tail))


def _model(model: host_pb2.ModelStatus) -> Text:
    if not model.loaded:
        return screen.text(f"none, rules decide alone: {model.why}", "yellow")
    provider = model.provider.removesuffix("ExecutionProvider")
    return screen.text(f"order {model.version} on {provider}, sha256 {model.sha256[:12]}")


def _facts(status: host_pb2.GetStatusResponse) -> Iterable[tuple[str, Text]]:
    yield "model", _model(status.model)
    yield "repairs", screen.text(f"{len(status.repairs)} serve", "" if status.repairs else "yellow")
    if status.telemetry_sent or status.telemetry_waiting:
        yield "trainer", screen.text(f"{status.telemetry_sent} samples sent, {status.telemetry_waiting} waiting")
    if status.budget:
        yield "budget", screen.text(status.budget)
    if status.identity:
        left = status.identity_remaining_s
        yield (
            "identity",
            screen.text(f"{status.identity}, for {duration(left)} more", "" if left > _IDENTITY_LOW_S else "bold red"),
        )
    yield from _orders(status)
    if status.reasons:
        said = sorted(status.reasons.items(), key=lambda item: (-item[1], item[0]))
        yield "decisions", screen.text(", ".join(f"{count} {reason}" for reason, count in said))
    for sentence in status.degraded:
        yield "degraded", screen.text(sentence, "yellow")


def _orders(status: host_pb2.GetStatusResponse) -> Iterable[tuple[str, Text]]:
    """Say what people told orderd and what it asks of them, the most urgent first."""
    if status.HasField("pause"):
        pause = status.pause
        until = f"for {duration(pause.remaining_s)} more" if pause.remaining_s else "until orderctl resume"
        yield "paused", screen.text(f"nothing is repaired {until}, by {pause.by}: {pause.why}", "bold yellow")
    for ask in status.approvals:
        what = f"{ask.repair} on {entity_name(ask.entity.kind, ask.entity.key)} ({ask.failure})"
        words = f"{what}, for {duration(ask.remaining_s)} more: orderctl approve {ask.decision_id}"
        yield "asks", screen.text(words, "bold yellow")
    if status.open_tickets:
        yield "tickets", screen.text(f"{status.open_tickets} open: orderctl tickets", "yellow")
    for denial in status.denials:
        name = entity_name(denial.entity.kind, denial.entity.key)
        words = f"{denial.repair} is not used on {name}: {denial.why}; orderctl allow {denial.repair} {name} --why ..."
        yield "denied", screen.text(words, "yellow")
    for sentence in status.changes:
        yield "change", screen.text(sentence, "yellow")
    for hold in status.holds:
        who = f"by {hold.by}" + (" (seen, not announced)" if hold.seen else "")
        words = f"{entity_name(hold.entity.kind, hold.entity.key)} for {duration(hold.remaining_s)} more, {who}: {hold.why}"
        yield "hold", screen.text(words)


def _entities(status: host_pb2.GetStatusResponse) -> RenderableType:
    grid = screen.table("WATCHED", "STATE", "SIGNALS", wrap="SIGNALS")

    def place(entity: host_pb2.EntityStatus) -> tuple[bool, int, str]:
        kind = entity.entity.kind
        return not entity.failure, _KIND_ORDER.index(kind) if kind in _KIND_ORDER else 99, entity.entity.key

    for entity in sorted(status.entities, key=place):
        failed = screen.text(entity.failure, "bold red") if entity.failure else screen.text("ok", "green")
        words = signals_in_words(entity.entity.kind, entity.signals)
        grid.add_row(screen.text(entity_name(entity.entity.kind, entity.entity.key)), failed, screen.text(words))
    return grid


def status_page(status: host_pb2.GetStatusResponse) -> RenderableType:
    """Return the page: verdict first, then what is wrong with orderd itself, then everything watched, failing first."""
    return Group(_headline(status), screen.facts(_facts(status)), Text(), _entities(status))
