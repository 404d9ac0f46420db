"""The subscription to systemd against a real message bus and a stand-in for systemd that speaks its interfaces."""

import asyncio
import contextlib
import shutil
import time

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from orderd.sampling.systemd import Systemd, unit_path

UNIT = "nginx.service"
NAME = "org.freedesktop.systemd1"
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"""

pytestmark = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")


class FakeSystemd:
    """Answers Subscribe and GetAll, and sends the signals that systemd sends."""

    def __init__(self, bus):
        self.bus = bus
        self.subscribed = 0
        self.asked = set()
        self.hangs = False
        self.unit = {
            "ActiveState": Variant("s", "active"),
            "LoadState": Variant("s", "loaded"),
            "UnitFileState": Variant("s", "enabled"),
            "Job": Variant("(uo)", [0, "/"]),
            "DropInPaths": Variant("as", []),
        }
        self.service = {"Result": Variant("s", "success"), "NRestarts": Variant("u", 0), "MainPID": Variant("u", 77)}
        bus.add_message_handler(self.on_message)

    def on_message(self, message):
        if message.message_type is not MessageType.METHOD_CALL or self.hangs:
            return self.hangs
        if message.member == "Subscribe":
            self.subscribed += 1
            self.bus.send(Message.new_method_return(message))
        elif message.member == "GetAll":
            self.asked.add((message.path, message.body[0]))
            properties = self.unit if message.body[0].endswith(".Unit") else self.service
            self.bus.send(Message.new_method_return(message, "a{sv}", [properties]))
        else:
            return False
        return True

    def signal(self, path, interface, member, signature, body):
        self.bus.send(Message.new_signal(path, interface, member, signature, body))

    def change(self, **properties):
        """Change properties of the unit and tell so."""
        self.unit.update(properties)
        interface = "org.freedesktop.DBus.Properties"
        self.signal(unit_path(UNIT), interface, "PropertiesChanged", "sa{sv}as", [f"{NAME}.Unit", properties, []])


@contextlib.asynccontextmanager
async def message_bus(directory):
    """Run a message bus of our own; yields its address."""
    socket, config = directory / "bus", directory / "bus.conf"
    config.write_text(CONFIG.format(socket=socket))
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address", stdout=asyncio.subprocess.PIPE
    )
    await daemon.stdout.readline()
    try:
        yield f"unix:path={socket}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            daemon.kill()
        await daemon.wait()
        socket.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def fake_systemd(address):
    bus = await MessageBus(bus_address=address).connect()
    fake = FakeSystemd(bus)
    await bus.request_name(NAME)
    try:
        yield fake
    finally:
        bus.disconnect()


class Watch:
    """A subscription, and the changes it told."""

    def __init__(self, address):
        self.changes = []
        self.changed = asyncio.Event()
        self.systemd = Systemd([UNIT], self.on_change, address)

    def on_change(self, unit):
        self.changes.append(unit)
        self.changed.set()

    async def until(self, holds, limit_s=5.0):
        """Wait until ``holds`` says so; returns the seconds it took."""
        started = time.monotonic()
        async with asyncio.timeout(limit_s):
            while not holds(self.systemd.properties(UNIT)):
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.changed.wait()
        return time.monotonic() - started


@contextlib.asynccontextmanager
async def watching(address):
    watch = Watch(address)
    await watch.systemd.start()
    try:
        yield watch
    finally:
        await watch.systemd.close()


async def test_units_are_known_after_start_and_systemd_is_asked_to_tell(tmp_path):
    """Without Manager.Subscribe systemd sends no signals at all."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake, watching(address) as watch:
        assert watch.systemd.properties(UNIT)["ActiveState"] == "active"
        assert watch.systemd.properties(UNIT)["MainPID"] == 77
        assert fake.subscribed == 1


@pytest.mark.parametrize("kind", ["service", "timer", "socket"])
async def test_a_unit_is_asked_for_what_units_of_its_type_have(tmp_path, kind):
    """A timer has no properties of a service, and systemd refuses to answer a question about them."""
    unit = f"a.{kind}"
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake:
        systemd = Systemd([unit], lambda unit: None, address)
        await systemd.start()
        await systemd.close()
        assert fake.asked == {(unit_path(unit), f"{NAME}.{which}") for which in ("Unit", kind.capitalize())}


async def test_a_timer_that_is_due_wakes_nobody(tmp_path):
    """It goes from waiting to running and back every time; that it is stopped is worth a sample."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake:
        woken = asyncio.Queue()
        systemd = Systemd(["a.timer"], woken.put_nowait, address)
        await systemd.start()
        while not woken.empty():
            woken.get_nowait()
        path, properties = unit_path("a.timer"), "org.freedesktop.DBus.Properties"
        for changed in ({"SubState": Variant("s", "running")}, {"ActiveState": Variant("s", "inactive")}):
            fake.unit.update(changed)
            fake.signal(path, properties, "PropertiesChanged", "sa{sv}as", [f"{NAME}.Unit", changed, []])
            if "ActiveState" in changed:
                assert await asyncio.wait_for(woken.get(), 2) == "a.timer"
            else:
                await asyncio.sleep(0.2)
                assert woken.empty()
        assert systemd.properties("a.timer")["SubState"] == "running"
        await systemd.close()


async def test_a_change_is_told_by_its_signal_and_not_by_polling(tmp_path):
    """The new state is known as soon as the signal is here, also while systemd answers no questions."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake, watching(address) as watch:
        fake.hangs = True
        watch.changes.clear()
        fake.change(ActiveState=Variant("s", "failed"))
        assert await watch.until(lambda said: said and said["ActiveState"] == "failed") < 0.5
        assert watch.changes == [UNIT]


async def test_a_signal_without_news_is_no_event(tmp_path):
    """Time stamps and the like change all the time; nobody is woken for them."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake, watching(address) as watch:
        watch.changes.clear()
        fake.change(ActiveState=Variant("s", "active"), StateChangeTimestamp=Variant("t", 9))
        await asyncio.sleep(0.3)
        assert watch.changes == []


async def test_a_reload_has_everything_asked_again(tmp_path):
    """Drop-ins and masks carry no signal of their own: the end of a reload is the cue."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake, watching(address) as watch:
        fake.unit["LoadState"] = Variant("s", "masked")
        fake.unit["DropInPaths"] = Variant("as", ["/x/90-bad.conf"])
        fake.signal("/org/freedesktop/systemd1", f"{NAME}.Manager", "Reloading", "b", [False])
        assert await watch.until(lambda said: said["LoadState"] == "masked") < 1
        assert watch.systemd.properties(UNIT)["DropInPaths"] == ["/x/90-bad.conf"]


async def test_changed_unit_files_are_an_event_at_once(tmp_path):
    """A mask is on disk when systemd says that unit files changed: the sample must look right away."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as fake, watching(address) as watch:
        watch.changes.clear()
        watch.changed.clear()
        fake.hangs = True
        fake.signal("/org/freedesktop/systemd1", f"{NAME}.Manager", "UnitFilesChanged", "", [])
        async with asyncio.timeout(2):
            await watch.changed.wait()
        assert watch.changes == [UNIT]


async def test_a_systemd_that_starts_anew_is_subscribed_to_again(tmp_path):
    """After daemon-reexec the name has a new owner that nobody subscribed to."""
    async with message_bus(tmp_path) as address, fake_systemd(address) as first, watching(address) as watch:
        first.bus.disconnect()
        async with fake_systemd(address) as second:
            second.unit["ActiveState"] = Variant("s", "failed")
            await watch.until(lambda said: said and said["ActiveState"] == "failed")
            assert second.subscribed == 1


async def test_a_dead_bus_makes_units_missing_and_a_new_one_makes_them_known(tmp_path):
    """While nobody can be asked nothing is claimed; the connection heals by itself."""
    async with message_bus(tmp_path) as address, fake_systemd(address):
        watch = Watch(address)
        await watch.systemd.start()
    await watch.until(lambda said: said is None)
    async with message_bus(tmp_path) as address, fake_systemd(address):
        await watch.until(lambda said: said is not None, limit_s=10)
    await watch.systemd.close()


async def test_no_bus_at_all_does_not_hold_up_the_start(tmp_path):
    """Without a bus the sampler starts a moment later and unit signals are missing."""
    watch = Watch(f"unix:path={tmp_path}/none")
    started = time.monotonic()
    await watch.systemd.start(patience_s=0.1)
    assert time.monotonic() - started < 1
    assert watch.systemd.properties(UNIT) is None
    await watch.systemd.close()
