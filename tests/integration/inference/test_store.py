"""Models are installed, refused and rolled back through the store and the real orderd-infer, where signatures are asked for."""

import asyncio
import time

import pytest

from orderd.errors import ModelRefusedError, StateError
from orderd.inference.client import InferenceClient
from orderd.inference.store import ModelStore
from orderd.trust import Floor


async def until(condition, timeout_s=30.0):
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


class Running:
    """orderd-infer, its client and the store."""

    def __init__(self, host, start_infer):
        self.host = host
        self.start_infer = start_infer
        self.client = InferenceClient(host.config)
        self.store = ModelStore(host.config, self.client)
        self.infer = None

    async def start(self):
        """Start or restart orderd-infer and wait for a model."""
        if self.infer is not None:
            self.infer.process.terminate()
            self.infer.process.wait(10)
            await until(lambda: not self.client.info.loaded)
        self.infer = self.start_infer(self.host.model_dir, extra=self.host.extra)
        await self.client.start()
        await until(lambda: self.client.info.loaded)

    async def install(self, folder, **options):
        """Stage the files of a folder and install them."""
        staging = self.store.stage()
        try:
            for file in sorted(folder.iterdir()):
                staging.add(file.name, b"")
                staging.add("", file.read_bytes())
            return await self.store.install(staging, **options)
        finally:
            staging.discard()

    @property
    def version(self):
        """The version that decides."""
        return self.client.info.version

    def serials(self):
        """Serials that are installed, the one that decides first in a pair."""
        return [(head.serial, decides) for head, decides in self.store.status().installed]


@pytest.fixture
async def running(host, start_infer):
    """A running host."""
    made = Running(host, start_infer)
    await made.start()
    yield made
    await made.client.close()


async def test_the_packaged_model_decides_until_another_is_installed_also_after_a_restart(running, host, window):
    """An installed model decides at once and is found again by the next orderd-infer; the floor is its serial."""
    assert running.version == "0.0.10"
    loaded = await running.install(host.release(host.root / "new", serial=20, sure=1.0))
    assert (loaded.serial, loaded.key_id != "") == (20, True)
    await until(lambda: running.version == "0.0.20")
    assert (await running.client.classify(window)).failures[0][0] < 0.5
    await running.start()
    assert running.version == "0.0.20"
    assert running.serials() == [(20, True), (10, False)]
    assert Floor(host.root / "state" / "floor.json").read().serial == 20


async def test_what_is_refused_replaces_nothing_and_leaves_nothing(running, host):
    """Another key, an older serial, an expired term, no signature: the model in place goes on, the folder stays clean."""
    stranger = host.root / "stranger"
    from orderd.trust.keys import make_pair

    make_pair(stranger / "models.pem")
    unsigned = host.release(host.root / "unsigned", serial=30)
    (unsigned / "manifest.sig").unlink()
    cases = {
        "not trusted here": host.release(host.root / "a", serial=30, key=stranger / "models.pem"),
        "older than 10": host.release(host.root / "b", serial=9),
        "expired": host.release(host.root / "c", serial=30, days=-1.0),
        "no manifest.sig": unsigned,
    }
    for why, folder in cases.items():
        with pytest.raises(ModelRefusedError, match=why):
            await running.install(folder)
    assert running.version == "0.0.10"
    assert list(host.installed.iterdir()) == []
    assert Floor(host.root / "state" / "floor.json").read().serial == 10


async def test_validate_only_judges_and_changes_nothing(running, host):
    """A good model is said to be good, and neither decides nor stays nor raises the floor."""
    loaded = await running.install(host.release(host.root / "new", serial=20), validate_only=True)
    assert loaded.serial == 20
    assert running.version == "0.0.10"
    assert list(host.installed.iterdir()) == []
    assert Floor(host.root / "state" / "floor.json").read().serial == 10


async def test_roll_back_brings_the_model_before_and_nothing_older(running, host):
    """One step back is possible, without a key; a second one comes forward again; what was two steps back is refused."""
    with pytest.raises(StateError, match="only the model that came with orderd"):
        await running.store.roll_back()
    old = host.release(host.root / "a", serial=20)
    await running.install(old)
    await running.install(host.release(host.root / "b", serial=30))
    await running.store.roll_back()
    await until(lambda: running.version == "0.0.20")
    await running.start()
    assert running.version == "0.0.20"
    await running.store.roll_back()
    await until(lambda: running.version == "0.0.30")
    await running.install(host.release(host.root / "c", serial=40))
    with pytest.raises(ModelRefusedError, match="serial 20 is older than 40"):
        await running.install(old)
    assert len([f for f in host.installed.iterdir() if not f.is_symlink()]) == 2


async def test_roll_back_of_the_first_installed_model_leads_to_the_packaged_one(running, host):
    """Where nothing was installed before, the model that came with orderd decides again, also after a restart."""
    await running.install(host.release(host.root / "a", serial=20))
    await running.store.roll_back()
    await until(lambda: running.version == "0.0.10")
    await running.start()
    assert running.version == "0.0.10"


async def test_an_installed_model_that_was_damaged_is_replaced_by_the_one_before_and_that_is_said(running, host):
    """After a restart the damaged one is refused, the one before decides, and info says why."""
    await running.install(host.release(host.root / "a", serial=20))
    model = host.installed / "current" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    await running.start()
    assert running.version == "0.0.10"
    assert "damaged or was changed" in running.client.info.why
    assert "decides instead" in running.client.info.why


async def test_only_one_model_is_installed_at_a_time_and_only_its_files(running):
    """Unknown, repeated and oversized files are refused by name."""
    staging = running.store.stage()
    for file in ("", "../x", "model.onnx.exe"):
        with pytest.raises(ValueError, match="file"):
            staging.add(file, b"x")
    staging.add("manifest.sig", b"x")
    with pytest.raises(ValueError, match="each once"):
        staging.add("manifest.sig", b"x")
    with pytest.raises(ValueError, match="larger than 4096"):
        staging.add("", b"x" * 5000)
    with pytest.raises(ValueError, match="was not sent"):
        await running.store.install(staging)
    staging.discard()


async def test_an_accepted_model_comes_back_without_being_checked_anew(running, host):
    """Going back and forth between two models costs no checking processes: each swap takes well under a check."""
    await running.install(host.release(host.root / "a", serial=20))
    began = time.monotonic()
    for _ in range(6):
        await running.store.roll_back()
    assert (time.monotonic() - began) / 6 < 0.3
    key = host.root / "trust" / "owner.pem"
    key.rename(host.root / "gone.pem")
    with pytest.raises(ModelRefusedError, match="0 keys"):
        await running.store.roll_back()
