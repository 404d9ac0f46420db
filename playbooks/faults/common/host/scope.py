"""What the owner of a host allows: the marker file, read on the host itself, so that no injector can talk its way round it.

Touches: reads /etc/orderd/chaos-allowed.

An empty marker allows every fault at any time. Otherwise a line is `KEY = VALUES`, values separated by blanks; `#` begins a
comment:

    faults = service_* disk_fill      names, with * and ?; every fault when the line is missing
    groups = process service          families of the catalogue; every family when the line is missing
    days = mon-fri                    on these days
    hours = 09:00-17:00 20:00-23:30   between these times, by the host's own clock
    protect-units = postgresql*       no fault names these
    protect-ports = 5432 9100-9200    nor these
    protect-addresses = 10.1.0.0/16   nor any address in these

Whatever cannot be understood forbids everything: a misspelt word must not open a door.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import time
from pathlib import Path

from failures import Refused

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
PATTERN = re.compile(r"[A-Za-z0-9_.@:*?\[\]-]+")
ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?|[0-9a-fA-F]*:[0-9a-fA-F:.]+(?:/\d{1,3})?")
PORT_NAME = re.compile(r"ports?$")
MINUTES_PER_HOUR = 60


def check(marker: Path, about: dict, now: time.struct_time | None = None) -> None:
    """Make sure that the owner allows an experiment.

    Args:
        marker: is there.
        about: the experiment: `fault`, `group`, `target`, and under `uses` everything it says it acts on.
        now: the host's local time.

    Raises:
        Refused: the owner does not, or the marker cannot be understood; says which line.
    """
    rules = read(marker)
    if not rules:
        return
    if not about:
        raise Refused(f"{marker} allows only some faults, and the request does not say which one this is")
    for key, word in (("faults", about["fault"]), ("groups", about["group"])):
        if key in rules and not any(fnmatch.fnmatchcase(word, pattern) for pattern in rules[key]):
            raise Refused(f"{marker} does not allow {word}: {key} = {' '.join(rules[key])}")
    _in_time(marker, rules, now or time.localtime())
    _unprotected(marker, rules, about)


def read(marker: Path) -> dict[str, list]:
    """Return the marker's lines, checked.

    Raises:
        Refused: one cannot be understood.
    """
    rules: dict[str, list] = {}
    for number, line in enumerate(marker.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        key, equals, values = (part.strip() for part in text.partition("="))
        if key not in PARSERS or not equals or not values or key in rules:
            raise Refused(f"{marker}, line {number}: {text!r}; allowed: one line each of {', '.join(PARSERS)}, as KEY = VALUES")
        try:
            rules[key] = [PARSERS[key](value) for value in values.split()]
        except ValueError as error:
            raise Refused(f"{marker}, line {number}: {error}") from error
    return rules


def _pattern(text: str) -> str:
    if PATTERN.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no name")
    return text


def _days(text: str) -> tuple[int, int]:
    first, _, last = text.lower().partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{text!r} are no days; allowed: mon, sat-sun")
    return DAYS.index(first), DAYS.index(last or first)


def _hours(text: str) -> tuple[int, int]:
    found = HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} are no hours; allowed: 09:00-17:30")
    begin_h, begin_min, end_h, end_min = map(int, found.groups())
    return begin_h * MINUTES_PER_HOUR + begin_min, end_h * MINUTES_PER_HOUR + end_min


def _ports(text: str) -> tuple[int, int]:
    found = PORTS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no port; allowed: 5432, 9100-9200")
    return int(found[1]), int(found[2] or found[1])


PARSERS = {
    "faults": _pattern,
    "groups": _pattern,
    "days": _days,
    "hours": _hours,
    "protect-units": _pattern,
    "protect-ports": _ports,
    "protect-addresses": lambda text: ipaddress.ip_network(text, strict=False),
}


def _in_time(marker: Path, rules: dict[str, list], now: time.struct_time) -> None:
    """Refuse outside the owner's days and hours; both may go round the end of the week and of the day."""
    minute = now.tm_hour * MINUTES_PER_HOUR + now.tm_min
    if "days" in rules and not any(_between(now.tm_wday, *span, whole=True) for span in rules["days"]):
        raise Refused(f"{marker} does not allow faults on this day ({DAYS[now.tm_wday]})")
    if "hours" in rules and not any(_between(minute, *span, whole=False) for span in rules["hours"]):
        raise Refused(f"{marker} does not allow faults at this hour ({now.tm_hour:02}:{now.tm_min:02})")


def _between(value: int, low: int, high: int, *, whole: bool) -> bool:
    inside = (low <= value, value <= high if whole else value < high)
    return all(inside) if low <= high else any(inside)


def _unprotected(marker: Path, rules: dict[str, list], about: dict) -> None:
    for name, value in _named(about):
        for pattern in rules.get("protect-units", ()):
            if any(fnmatch.fnmatchcase(value, each) for each in (pattern, f"{pattern}.service")):
                raise Refused(f"{marker} protects the unit {value}")
        for network in rules.get("protect-addresses", ()):
            for text in ADDRESS.findall(value):
                if _meets(text, network):
                    raise Refused(f"{marker} protects the address {text} ({network})")
        if PORT_NAME.search(name) and value.isdigit():
            for low, high in rules.get("protect-ports", ()):
                if low <= int(value) <= high:
                    raise Refused(f"{marker} protects the port {value}")


def _meets(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_network(text, strict=False).overlaps(network)
    except (ValueError, TypeError):  # a number that only looks like an address, or one of the other family
        return False


def _named(value: object, name: str = "") -> list[tuple[str, str]]:
    """Return every text and number in an experiment with the key it stands under."""
    if isinstance(value, dict):
        return [pair for key, each in value.items() for pair in _named(each, str(key))]
    if isinstance(value, (list, tuple)):
        return [pair for each in value for pair in _named(each, name)]
    return [(name, str(value))]
