"""What systemd says about the declared units, kept current by its own signals. Talks D-Bus over the system bus.

Nothing is polled while nothing happens: systemd tells every change of state (after Manager.Subscribe), 2.3 ms after a kill -9.
What it does not tell (drop-ins, unit file state, control group) is asked again after each change and reload, and one unit at
a time in a slow turn in case a signal was lost. When the bus or systemd is away, the properties are unknown, not stale.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError, InvalidAddressError

_log = logging.getLogger(__name__)

_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER_PATH = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_UNIT = "org.freedesktop.systemd1.Unit"
_OWN: Final = {suffix: f"{_SYSTEMD}.{suffix.capitalize()}" for suffix in ("service", "timer", "socket")}
"""The interface that only units of a type have."""
_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS = "org.freedesktop.DBus"

WAKING: Final = frozenset({"ActiveState", "SubState", "LoadState", "UnitFileState", "Result", "NRestarts", "Job", "DropInPaths"})
"""Properties whose change is worth a sample at once."""
KEPT: Final = (
    WAKING
    | {"ControlGroup", "MainPID", "ActiveEnterTimestampMonotonic"}
    | {"Names", "PartOf", "BindsTo", "Requires", "Requisite"}
)

Listener = Callable[[str, Mapping[str, Any]], None]
"""Is told a unit and what systemd said changed of it, or an empty name when unit files changed or are being read again."""

CALL_TIMEOUT_S = 2.0
REFRESH_EVERY_S = 5.0
STALE_S = 3 * REFRESH_EVERY_S
_SETTLE_S = 0.05
_FILES_MEMBERS = frozenset({"UnitFilesChanged", "Reloading"})
_RECONNECT_S_MIN = 0.25
_RECONNECT_S_MAX = 5.0

# What a connection may fail with; all of it is answered by connecting again.
_LOST = (OSError, EOFError, DBusError, AuthError, InvalidAddressError, TimeoutError)


def unit_path(unit: str) -> str:
    """Return the D-Bus object of a unit: bytes outside [A-Za-z0-9], and a leading digit, become ``_xx``.

    References:
        systemd src/libsystemd/sd-bus/bus-label.c, bus_label_escape.
    """
    escaped = "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() and not (i == 0 and chr(byte).isdigit()) else f"_{byte:02x}"
        for i, byte in enumerate(unit.encode())
    )
    return f"{_MANAGER_PATH}/unit/{escaped}"


class Systemd:
    """A self-healing subscription to a set of units."""

    def __init__(self, units: Sequence[str], on_change: Callable[[str], None], bus_address: str | None = None) -> None:
        """Prepare; ``start`` connects.

        Args:
            units: names of the units.
            on_change: called with a unit's name as soon as one of its WAKING properties changed or became unknown.
            bus_address: D-Bus address, None for the system bus.
        """
        self._unit_of = {unit_path(unit): unit for unit in units}
        self._path_of = {unit: path for path, unit in self._unit_of.items()}
        self._on_change = on_change
        self._bus_address = bus_address
        self._properties: dict[str, dict[str, Any]] = {}
        self._confirmed_s: dict[str, float] = {}
        self._signalled: dict[str, set[str]] = {unit: set() for unit in units}
        self._dirty: set[str] = set()
        self._resubscribe = False
        self._listeners: list[Listener] = []
        self._bus: MessageBus | None = None
        self._stir = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connections = 0

    def properties(self, unit: str) -> Mapping[str, Any] | None:
        """Return the KEPT properties of a unit, None while they are not known."""
        if time.monotonic() - self._confirmed_s.get(unit, float("-inf")) > STALE_S:
            return None
        return self._properties.get(unit)

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` called at once, before anything else happens, whenever systemd announces something."""
        self._listeners.append(listener)

    async def call(self, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()) -> Sequence[Any]:
        """Ask systemd something; returns the body of its answer.

        Raises:
            DBusError: it answered with an error.
            TimeoutError: it did not answer in CALL_TIMEOUT_S.
            ConnectionError: there is no connection to it at the moment.
        """
        if self._bus is None:
            msg = "no connection to systemd"
            raise ConnectionError(msg)
        message = Message(
            destination=_SYSTEMD, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        return (await _send(self._bus, message)).body

    async def start(self, patience_s: float = 1.0) -> None:
        """Connect in the background; return when the units are known, or after ``patience_s`` without a bus."""
        if not self._path_of:
            return
        self._task = asyncio.create_task(self._stay_connected(), name="systemd")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._ready.wait()

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Return what runs beside, which ends only when closed; nothing where there are no units."""
        return () if self._task is None else (self._task,)

    async def close(self) -> None:
        """Disconnect."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _stay_connected(self) -> None:
        delay_s = _RECONNECT_S_MIN
        while True:
            connections = self.connections
            try:
                await self._serve_connection()
                reason = "the bus closed the connection"
            except _LOST as error:
                reason = f"{type(error).__name__}: {error}"
            self._lose()
            delay_s = _RECONNECT_S_MIN if self.connections > connections else min(2 * delay_s, _RECONNECT_S_MAX)
            _log.warning("no word from systemd (%s); unit signals are missing, next try in %.2f s", reason, delay_s)
            await asyncio.sleep(delay_s)

    async def _serve_connection(self) -> None:
        bus = MessageBus(bus_address=self._bus_address, bus_type=BusType.SYSTEM, auth_timeout=CALL_TIMEOUT_S)
        try:
            async with asyncio.timeout(2 * CALL_TIMEOUT_S):
                await bus.connect()
            closed = asyncio.ensure_future(bus.wait_for_disconnect())
            closed.add_done_callback(self._closed)
            await self._subscribe(bus)
            self.connections += 1
            self._bus = bus
            _log.info("subscribed to %d units", len(self._path_of))
            await self._keep_current(bus, closed)
        finally:
            self._bus = None
            bus.disconnect()

    async def _subscribe(self, bus: MessageBus) -> None:
        bus.add_message_handler(self._on_message)
        rules = [f"path='{path}',interface='{_PROPERTIES}',member='PropertiesChanged'" for path in self._unit_of]
        rules += [f"path='{_MANAGER_PATH}',interface='{_MANAGER}',member='{m}'" for m in ("Reloading", "UnitFilesChanged")]
        for rule in rules:
            await _call(bus, _BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", f"type='signal',sender='{_SYSTEMD}',{rule}")
        owner = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{_SYSTEMD}'"
        await _call(bus, _BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", owner)
        self._resubscribe = True
        self._ask_all_again()

    async def _keep_current(self, bus: MessageBus, closed: "asyncio.Future[None]") -> None:
        """Ask for what signals do not carry, until the connection ends."""
        while not closed.done():
            if self._resubscribe:
                self._resubscribe = False
                await _call(bus, _SYSTEMD, _MANAGER_PATH, _MANAGER, "Subscribe")
            if self._stir.is_set():
                self._stir.clear()
                units = [unit for unit in self._path_of if unit in self._dirty]
            else:
                units = [min(self._path_of, key=lambda unit: self._confirmed_s.get(unit, 0.0))]
            for unit in units:
                self._dirty.discard(unit)
                await self._refresh(bus, unit)
            self._ready.set()
            await self._rest()

    async def _rest(self) -> None:
        """Sleep until the next unit's turn, or until a change has had a moment to settle."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_EVERY_S / len(self._path_of)):
                await self._stir.wait()
        if self._stir.is_set() and not self._resubscribe:
            await asyncio.sleep(_SETTLE_S)

    async def _refresh(self, bus: MessageBus, unit: str) -> None:
        self._signalled[unit].clear()
        interfaces = (_UNIT, _OWN[unit.rpartition(".")[2]])
        asked = [_call(bus, _SYSTEMD, self._path_of[unit], _PROPERTIES, "GetAll", name) for name in interfaces]
        try:
            answers = await asyncio.gather(*asked)
        except DBusError as error:
            _log.warning("systemd cannot tell about %s: %s", unit, error)
            self._confirmed_s[unit] = time.monotonic()
            self._properties.pop(unit, None)
            return
        said = {name: variant.value for answer in answers for name, variant in answer.body[0].items() if name in KEPT}
        # A signal that came while we asked is newer than the answer.
        newer = self._signalled[unit]
        self._confirmed_s[unit] = time.monotonic()
        self._merge(unit, {name: value for name, value in said.items() if name not in newer})

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member in _FILES_MEMBERS:
            self._announce("", {})
        if message.member == "PropertiesChanged":
            self._on_properties(message)
        elif message.member == "UnitFilesChanged":
            self._ask_all_again()
            # A mask is on disk already, long before systemd is asked: look at once.
            for unit in self._path_of:
                self._on_change(unit)
        elif message.member == "Reloading" and not message.body[0]:
            self._ask_all_again()
        elif message.member == "NameOwnerChanged" and message.body[2]:
            self._resubscribe = True
            self._ask_all_again()

    def _announce(self, unit: str, changed: Mapping[str, Any]) -> None:
        for listener in self._listeners:
            listener(unit, changed)

    def _ask_all_again(self) -> None:
        self._dirty.update(self._path_of)
        self._stir.set()

    def _on_properties(self, message: Message) -> None:
        unit = self._unit_of.get(message.path or "")
        if unit is None:
            return
        _, changed, _ = message.body
        values = {name: variant.value for name, variant in changed.items() if name in KEPT}
        self._announce(unit, values)
        self._signalled[unit].update(values)
        self._dirty.add(unit)
        self._stir.set()
        if unit in self._properties:
            self._merge(unit, values)

    def _merge(self, unit: str, values: Mapping[str, Any]) -> None:
        known = self._properties.setdefault(unit, {})
        # A timer goes through its states whenever it is due; only whether it is active says anything.
        waking = WAKING - {"SubState", "Job"} if unit.endswith(".timer") else WAKING
        woken = any(name in waking and known.get(name) != value for name, value in values.items())
        known.update(values)
        if woken:
            self._on_change(unit)

    def _closed(self, closed: "asyncio.Future[None]") -> None:
        if not closed.cancelled() and (error := closed.exception()) is not None:
            _log.debug("bus connection ended: %s", error)
        self._lose()
        self._stir.set()

    def _lose(self) -> None:
        lost, self._properties = list(self._properties), {}
        self._confirmed_s.clear()
        for unit in lost:
            self._on_change(unit)


async def _call(bus: MessageBus, destination: str, path: str, interface: str, member: str, *body: str) -> Message:
    """Call a method that takes strings.

    Raises:
        DBusError: it answered with an error.
        TimeoutError: it did not answer in CALL_TIMEOUT_S.
    """
    message = Message(
        destination=destination, path=path, interface=interface, member=member, signature="s" * len(body), body=list(body)
    )
    return await _send(bus, message)


async def _send(bus: MessageBus, message: Message) -> Message:
    async with asyncio.timeout(CALL_TIMEOUT_S):
        reply = await bus.call(message)
    if reply.message_type is MessageType.ERROR:
        raise DBusError(reply.error_name or "unnamed", str(reply.body[0]) if reply.body else "", reply)
    return reply
