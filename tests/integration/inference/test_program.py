"""orderd-infer as a program, asked by orderd's own client over its real socket."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import time

import pytest

from orderd.config.schema import InferenceConfig
from orderd.errors import InferenceError
from orderd.inference.client import InferenceClient


@pytest.fixture
async def connect():
    """Return a maker of started clients; they are closed when the test ends."""
    clients = []

    async def make(infer, **settings):
        client = InferenceClient(InferenceConfig(socket=str(infer.socket), **({"timeout_s": 2.0} | settings)))
        clients.append(client)
        await client.start()
        return client

    yield make
    for client in clients:
        await client.close()


async def until(condition, timeout_s=30.0):
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


@pytest.fixture
def model_dir(models, tmp_path):
    """Return a folder with a good model."""
    return models.write(tmp_path / "models" / "current", models.package(models.graph()))


@pytest.fixture
def started(start_infer, connect, model_dir):
    """Return a starter of a program and of a client of it."""
    return lambda: connect(start_infer(model_dir))


@pytest.fixture
async def running(start_infer, connect, model_dir):
    """Return a program with a good model loaded, and a client of it."""
    infer = start_infer(model_dir)
    client = await connect(infer)
    await until(lambda: client.info.loaded)
    return infer, client


async def test_a_window_is_classified(start_infer, connect, model_dir, window):
    """The answer has one distribution per entity and names the model and the provider that gave it."""
    client = await connect(start_infer(model_dir))
    await until(lambda: client.info.loaded)
    scores = await client.classify(window)
    assert len(scores.failures) == 3
    assert all(sum(row) == pytest.approx(1.0, abs=1e-5) and row[0] == max(row) > 0.5 for row in scores.failures)
    assert scores.wrong == pytest.approx(0.5)
    assert (client.info.version, client.info.provider) == ("0.0.1", "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (shutil.rmtree, "No such file"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"\0" * 100), "sha256"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json"),
    ],
)
async def test_without_a_usable_model_the_reason_is_told(started, model_dir, window, break_it, why):
    """A broken model leaves the program running, unloaded, with the reason in its info and in every refusal."""
    break_it(model_dir)
    client = await started()
    await until(lambda: why in client.info.why)
    assert not client.info.loaded
    with pytest.raises(InferenceError, match=why):
        await client.classify(window)


async def test_reload_swaps_to_a_good_model_and_keeps_the_old_one_from_a_bad_one(start_infer, connect, model_dir, models, window):
    """SIGHUP takes a new model in place; a refused one changes nothing."""
    infer = start_infer(model_dir)
    client = await connect(infer)
    await until(lambda: client.info.loaded)
    models.write(model_dir, models.package(models.graph(1.0), version="0.0.2", canary=(models.canary(1.0),)))
    infer.signal(signal.SIGHUP)
    await until(lambda: client.info.version == "0.0.2")
    assert (await client.classify(window)).failures[0][0] < 0.5
    (model_dir / "model.onnx").write_bytes(b"cut")
    infer.signal(signal.SIGHUP)
    await asyncio.sleep(0.5)
    assert client.info.version == "0.0.2"
    assert (await client.classify(window)).failures[0][0] < 0.5


async def test_a_hung_program_costs_one_timeout_and_its_late_answers_are_dropped(start_infer, connect, model_dir, window):
    """While it is stopped every question fails within the timeout; once it goes on, answers belong to their questions again."""
    infer = start_infer(model_dir)
    client = await connect(infer, timeout_s=0.1)
    await until(lambda: client.info.loaded)
    infer.signal(signal.SIGSTOP)
    for _ in range(20):
        began = time.monotonic()
        with pytest.raises(InferenceError):
            await client.classify(window)
        assert time.monotonic() - began < 0.5
    infer.signal(signal.SIGCONT)
    await asyncio.sleep(0.3)
    assert len((await client.classify(window)).failures) == 3


async def test_a_program_that_dies_is_found_again(running, start_infer, model_dir, window):
    """The client says that it is gone, and reconnects by itself when it is back."""
    infer, client = running
    infer.process.kill()
    infer.process.wait()
    await until(lambda: not client.info.loaded)
    with pytest.raises(InferenceError, match="orderd-infer"):
        await client.classify(window)
    start_infer(model_dir)
    await until(lambda: client.info.loaded)
    await client.classify(window)


def _disconnected(sock):
    with sock:
        try:
            return not sock.recv(1)
        except ConnectionResetError:
            return True


async def test_nonsense_on_the_socket_harms_nobody_else(running, window):
    """A peer that sends garbage is disconnected; the others go on."""
    infer, client = running
    rude = socket.socket(socket.AF_UNIX)
    rude.connect(str(infer.socket))
    rude.sendall(os.urandom(4096))
    rude.settimeout(5)
    assert _disconnected(rude)
    assert len((await client.classify(window)).failures) == 3


async def test_the_socket_may_come_from_systemd(start_infer, connect, model_dir, window, tmp_path):
    """LISTEN_FDS is served instead of binding."""
    listener = socket.socket(socket.AF_UNIX)
    path = tmp_path / "run" / "infer.sock"
    path.parent.mkdir()
    listener.bind(str(path))
    listener.listen(4)
    client = await connect(start_infer(model_dir, passed=listener))
    listener.close()
    await until(lambda: client.info.loaded)
    await client.classify(window)


async def test_only_its_own_group_may_ask(start_infer, connect, model_dir):
    """The socket is open to user and group alone: a LOAD has side effects, and orderd is in the group."""
    infer = start_infer(model_dir)
    await connect(infer)
    await until(infer.socket.exists)
    assert stat.S_IMODE(infer.socket.stat().st_mode) == 0o660


async def test_the_program_stays_small(running, window):
    """With a model loaded and questions answered it takes at most 50 MiB of the 160 that all programs have."""
    infer, client = running
    for _ in range(20):
        await client.classify(window)
    assert infer.pss_bytes() < 50 << 20


async def test_disabled_inference_never_connects(tmp_path, window):
    """``inference.enabled = false`` is the reason that is told."""
    client = InferenceClient(InferenceConfig(enabled=False, socket=str(tmp_path / "none")))
    await client.start()
    assert client.info.why == "inference.enabled = false"
    with pytest.raises(InferenceError, match="enabled = false"):
        await client.classify(window)
    await client.close()
