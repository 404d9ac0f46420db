"""Whether a repair may touch a target at all: the executor's own view, from root-owned configuration. Reads /proc for the rest.

orderd's word is not enough. A target is a unit or a mount that the configuration declares, a link that there is, or a process
that belongs to nothing declared, to nothing of orderd and not to the system's own foundations; what a name may look like was
settled by its type.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from orderd.config import Config
from orderd.domain.faults import Entity, EntityKind
from orderd.executor.messages import Code
from orderd.executor.processes import identify

FOUNDATIONS: Final = (
    "init.scope",
    "dbus.service",
    "ssh.service",
    "sshd.service",
    "rsyslog.service",
    "systemd-journald.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-udevd.service",
)
"""Units no repair may stop a process of, declared or not: without them nobody can log in or see why."""
OWN_PREFIX: Final = "orderd"
# PID 1's view: the executor itself has a network of its own, without any link.
_LINKS: Final = Path("/proc/1/net/dev")


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not an error of this program
    """A request that will not be carried out, with a stable code."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What the configuration says belongs to this host.

    Attributes:
        units: declared services.
        mounts: declared mounts.
    """

    units: frozenset[str]
    mounts: frozenset[str]

    @classmethod
    def of(cls, config: Config) -> Self:
        """Take the view out of the configuration."""
        return cls(units=frozenset(s.unit for s in config.services), mounts=frozenset(m.path for m in config.mounts))

    @property
    def protected_units(self) -> tuple[str, ...]:
        """Units whose processes no repair may stop."""
        return tuple(sorted(self.units | set(FOUNDATIONS)))

    def check(self, text: str, kind: EntityKind) -> Entity:
        """Decide whether a target may be repaired.

        Args:
            text: ``kind:key`` as requested.
            kind: the kind the playbook's contract takes.

        Returns:
            The target.

        Raises:
            Refusal: it may not be.
        """
        try:
            target = Entity.parse(text)
        except ValueError as error:
            raise Refusal(Code.TARGET_NOT_ALLOWED, f"target {text!r}: {error}") from error
        if target.kind is not kind:
            raise Refusal(Code.TARGET_NOT_ALLOWED, f"target {text!r}: the playbook takes a {kind.value}")
        self._check_membership(target)
        return target

    def _check_membership(self, target: Entity) -> None:
        if target.kind is EntityKind.UNIT and target.key not in self.units:
            raise Refusal(Code.TARGET_NOT_ALLOWED, f"{target}: not among [[services]] of orderd.toml")
        if target.kind is EntityKind.MOUNT and target.key not in self.mounts:
            raise Refusal(Code.TARGET_NOT_ALLOWED, f"{target}: not among [[mounts]] of orderd.toml")
        if target.kind is EntityKind.NIC and target.key not in links(_LINKS.read_text(encoding="utf-8", errors="replace")):
            raise Refusal(Code.TARGET_GONE, f"{target}: there is no such link")
        if target.kind is EntityKind.PROCESS:
            self._check_process(target)

    def _check_process(self, target: Entity) -> None:
        pid, start_ticks = (int(part) for part in target.key.split(":"))
        process = identify(pid)
        if process is None or process.start_ticks != start_ticks:
            raise Refusal(Code.TARGET_GONE, f"{target}: that process has ended")
        if pid <= 1 or process.kernel_thread:
            raise Refusal(Code.TARGET_NOT_ALLOWED, f"{target}: the init process or a kernel thread")
        for unit in process.units:
            if unit in self.units or unit in FOUNDATIONS or unit.startswith(OWN_PREFIX):
                raise Refusal(Code.TARGET_NOT_ALLOWED, f"{target}: belongs to {unit}")


def links(table: str) -> frozenset[str]:
    """Return the names of the links in what /proc/net/dev says, but for the loopback."""
    return frozenset(name.strip() for name, colon, _ in (line.partition(":") for line in table.splitlines()) if colon) - {"lo"}
