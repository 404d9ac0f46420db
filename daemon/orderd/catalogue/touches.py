"""The grammar of a contract's ``touches``: ``KIND PATTERN``, ``process``, or ``config``. Pure; see `orderd.domain.inventory`."""

import re
from typing import Final

from orderd.domain.faults import EntityKind

_PLACEHOLDER: Final = "{target}"
_SHAPES: Final = {
    "unit": re.compile(r"[A-Za-z0-9:_.@*?-]+"),
    "file": re.compile(r"/[A-Za-z0-9:._/+@*?-]*"),
    "mount": re.compile(r"/[A-Za-z0-9:._/+@*?-]*"),
    "link": re.compile(r"[A-Za-z0-9._*?-]+"),
    "listener": re.compile(r"(?:tcp|udp|\*) [0-9a-f.:*?]+"),
}
# What stands for {target} when a pattern's shape is checked; a process has no name that a thing could be called by.
_EXAMPLE: Final = {
    EntityKind.UNIT: "a.service",
    EntityKind.MOUNT: "/a",
    EntityKind.RESOLVER: "system",
    EntityKind.CLOCK: "system",
    EntityKind.NIC: "eth0",
    EntityKind.HOST: "system",
}
_ALLOWED: Final = (
    "'process', 'config' for a unit, or one of 'unit NAME', 'file PATH', 'mount PATH', 'link NAME', "
    "'listener PROTOCOL ADDRESS:PORT'; * ? **/ and {target} may stand in them"
)


def why_refused(touch: str, target: EntityKind) -> str:
    """Say why a touch is not allowed, empty when it is.

    Args:
        touch: one entry of ``touches``.
        target: the kind of entity the repair takes; ``{target}`` stands for its key.
    """
    if touch == "process" or (touch == "config" and target is EntityKind.UNIT):
        return ""
    kind, _, pattern = touch.partition(" ")
    if kind == "process":
        return "'process' alone: processes have no names that could be compared"
    if kind not in _SHAPES:
        return _ALLOWED
    if _PLACEHOLDER in pattern and target not in _EXAMPLE:
        return f"no {_PLACEHOLDER} where the target is a {target.value}"
    filled = pattern.replace(_PLACEHOLDER, _EXAMPLE.get(target, ""))
    if _SHAPES[kind].fullmatch(filled) is None:
        return _ALLOWED
    return _too_wide(kind, pattern)


def _too_wide(kind: str, pattern: str) -> str:
    if ".." in pattern.split("/"):
        return "a path without '..'"
    if not re.sub(r"[*?/. :]", "", pattern.removeprefix("tcp").removeprefix("udp")):
        return f"a {kind} pattern that leaves something out; one that means everything would excuse everything"
    return ""
