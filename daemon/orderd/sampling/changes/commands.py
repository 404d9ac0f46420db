"""What a systemctl that is running now is about to do, and to which units. Pure."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

PROGRAMS: Final = frozenset({"systemctl", "busctl", "sudo", "doas"})
"""Names of processes whose command line is read. ``service`` and the scripts in /etc/init.d become systemctl themselves."""


class Aim(StrEnum):
    """What somebody means to do to a unit."""

    HALT = "halt"
    CHANGE = "change"
    RETURN = "return"


_AIM_OF: Final = {
    "stop": Aim.HALT,
    "mask": Aim.HALT,
    "disable": Aim.HALT,
    "isolate": Aim.HALT,
    "freeze": Aim.HALT,
    "restart": Aim.CHANGE,
    "condrestart": Aim.CHANGE,
    "try-restart": Aim.CHANGE,
    "reload-or-restart": Aim.CHANGE,
    "try-reload-or-restart": Aim.CHANGE,
    "force-reload": Aim.CHANGE,
    "reload": Aim.CHANGE,
    "edit": Aim.CHANGE,
    "revert": Aim.CHANGE,
    "set-property": Aim.CHANGE,
    "clean": Aim.CHANGE,
    "start": Aim.RETURN,
    "enable": Aim.RETURN,
    "reenable": Aim.RETURN,
    "unmask": Aim.RETURN,
    "thaw": Aim.RETURN,
}
# org.freedesktop.systemd1.Manager, for whoever calls it with busctl.
_VERB_OF_METHOD: Final = {
    "StopUnit": "stop",
    "RestartUnit": "restart",
    "TryRestartUnit": "restart",
    "ReloadUnit": "reload",
    "ReloadOrRestartUnit": "restart",
    "MaskUnitFiles": "mask",
    "DisableUnitFiles": "disable",
    "StartUnit": "start",
    "UnmaskUnitFiles": "unmask",
    "EnableUnitFiles": "enable",
}
_OPTIONS_WITH_VALUE: Final = frozenset(
    {
        "-t",
        "-p",
        "-P",
        "-s",
        "-n",
        "-o",
        "-H",
        "-M",
        "--type",
        "--property",
        "--state",
        "--job-mode",
        "--signal",
        "--root",
        "--host",
    }
    | {
        "--machine",
        "--what",
        "--kill-who",
        "--kill-whom",
        "--preset-mode",
        "--output",
        "--lines",
        "--check-inhibitors",
        "--drop-in",
    }
)
_ELSEWHERE: Final = ("-H", "-M", "--host", "--machine", "--root", "--user")
_SUFFIXES: Final = (
    ".service",
    ".socket",
    ".timer",
    ".mount",
    ".target",
    ".path",
    ".slice",
    ".scope",
    ".swap",
    ".automount",
    ".device",
)
_MEMBER_AT: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One systemctl, read from its command line.

    Attributes:
        verb: ``stop``.
        aim: what that means for the unit.
        units: the names it was given, with their suffix; they may be patterns or aliases.
        words: for people: ``systemctl stop nginx``.
    """

    verb: str
    aim: Aim
    units: tuple[str, ...]
    words: str

    def names(self, unit: str, also: Sequence[str] = ()) -> bool:
        """Tell whether it is about a unit, by its name or by one of the other names it has."""
        return any(fnmatchcase(name, given) for given in self.units for name in (unit, *also))


def read_command(argv: Sequence[str]) -> Command | None:
    """Return what a command line does to units of this host, None when it does nothing of interest.

    Args:
        argv: of systemctl or busctl themselves, or of sudo in front of them.
    """
    for place, word in enumerate(argv):
        reader = _READERS.get(os.path.basename(word))  # noqa: PTH119  a word, not a path
        if reader is not None:
            return reader(argv[place + 1 :])
    return None


def _read_systemctl(arguments: Sequence[str]) -> Command | None:
    words: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument.startswith(_ELSEWHERE) and argument != "--":
            return None
        elif argument in _OPTIONS_WITH_VALUE:
            skip = True
        elif not argument.startswith("-"):
            words.append(argument)
    if not words or words[0] not in _AIM_OF:
        return None
    units = words[1:2] if words[0] == "set-property" else words[1:]
    return _command(words[0], units, f"systemctl {words[0]} {' '.join(units)}")


def _read_busctl(arguments: Sequence[str]) -> Command | None:
    words = [argument for argument in arguments if not argument.startswith("-")]
    if len(words) <= _MEMBER_AT or words[0] != "call" or (method := words[_MEMBER_AT]) not in _VERB_OF_METHOD:
        return None
    units = [word for word in words[_MEMBER_AT + 1 :] if word.endswith(_SUFFIXES)]
    return _command(_VERB_OF_METHOD[method], units, f"busctl call {method} {' '.join(units)}")


def _command(verb: str, units: Sequence[str], words: str) -> Command:
    named = tuple(unit if unit.endswith(_SUFFIXES) else f"{unit}.service" for unit in units)
    return Command(verb=verb, aim=_AIM_OF[verb], units=named, words=words)


_READERS: Final[dict[str, Callable[[Sequence[str]], Command | None]]] = {"systemctl": _read_systemctl, "busctl": _read_busctl}
