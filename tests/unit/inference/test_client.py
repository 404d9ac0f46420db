"""The client against a program that behaves badly."""

import asyncio
import struct
import subprocess
import sys

import pytest

from orderd.config.schema import InferenceConfig
from orderd.domain.clock import Instant
from orderd.domain.faults import FAILURES
from orderd.domain.signals import HOST_SIGNALS
from orderd.domain.values import ModelInfo, Sample
from orderd.domain.window import History
from orderd.errors import InferenceError
from orderd.inference import client as client_module
from orderd.inference import protocol
from orderd.inference.client import InferenceClient
from orderd.inference.protocol import HEADER, Frame, Kind

LOADED = ModelInfo(loaded=True, version="1", sha256="0" * 64, provider="CPUExecutionProvider")


@pytest.fixture
def empty_window():
    """Return a window without entities, the smallest question."""
    at = Instant(mono_ns=1, utc_ns=1)
    return History().add(Sample(at=at, cause="timer", host=(0.0,) * len(HOST_SIGNALS), entities=()))


def scores(request_id, wrong, entities=0):
    """Return a reply."""
    row = [1.0] + [0.0] * (len(FAILURES) - 1)
    body = struct.pack(f"<{entities * len(row) + 1}f", *(row * entities), wrong)
    return Frame(kind=Kind.SCORES, request_id=request_id, entities=entities, body=body)


@pytest.fixture
async def talk(tmp_path):
    """Return a maker of (client, requests, reply) around a scripted program."""
    closing = []

    async def make(answer, timeout_s=0.1):
        path = str(tmp_path / "i.sock")

        async def serve(reader, writer):
            try:
                while True:
                    header = protocol.decode_header(await reader.readexactly(HEADER.size))
                    await reader.readexactly(header.body_bytes)
                    if header.kind is Kind.INFO:
                        writer.write(protocol.info_frame(LOADED, 0).encode())
                    else:
                        await answer(header, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_unix_server(serve, path)
        client = InferenceClient(InferenceConfig(socket=path, timeout_s=timeout_s))
        await client.start()
        closing.extend([client.close, lambda: _stop(server)])
        return client

    yield make
    for close in closing:
        await close()


async def _stop(server):
    server.close()


async def test_late_answer_is_never_taken_for_another_question(talk, empty_window):
    """An answer after its deadline is dropped; the next question gets its own."""
    held = []

    async def answer(header, writer):
        if not held:
            held.append(header.request_id)
            return
        writer.write(scores(held[0], 0.9).encode() + scores(header.request_id, 0.1).encode())

    client = await talk(answer)
    with pytest.raises(InferenceError, match=r"within 0\.1 s"):
        await client.classify(empty_window)
    assert (await client.classify(empty_window)).wrong == pytest.approx(0.1)


async def test_answer_about_other_entities_is_refused(talk, empty_window):
    """A reply with a row too many is not stretched over the window."""

    async def answer(header, writer):
        writer.write(scores(header.request_id, 0.1, entities=2).encode())

    client = await talk(answer)
    with pytest.raises(InferenceError, match="judged 2 entities of 0"):
        await client.classify(empty_window)


async def test_garbage_ends_the_connection_not_the_client(talk, empty_window):
    """After garbage the client reconnects by itself and gets answers again."""
    rude = [True]

    async def answer(header, writer):
        writer.write(b"\xff" * 64 if rude.pop() else scores(header.request_id, 0.1).encode())
        rude.append(False)

    client = await talk(answer)
    with pytest.raises(InferenceError):
        await client.classify(empty_window)
    for _ in range(100):
        if client.info.loaded:
            break
        await asyncio.sleep(0.02)
    assert (await client.classify(empty_window)).wrong == pytest.approx(0.1)


async def test_questions_in_flight_are_bounded(talk, empty_window):
    """No more than OUTSTANDING_MAX questions wait for a program that does not answer."""

    async def answer(header, writer):
        pass

    client = await talk(answer)
    asked = [asyncio.create_task(client.classify(empty_window)) for _ in range(client_module.OUTSTANDING_MAX + 3)]
    said = await asyncio.gather(*asked, return_exceptions=True)
    assert sum("behind or hung" in str(error) for error in said) == 3


async def test_nobody_listening_is_said_with_the_path(tmp_path, empty_window):
    """Without the program the client starts, says which socket is missing, and refuses at once."""
    client = InferenceClient(InferenceConfig(socket=str(tmp_path / "none.sock")))
    await client.start()
    assert f"{tmp_path}/none.sock: No such file" in client.info.why
    with pytest.raises(InferenceError, match=r"none\.sock"):
        await client.classify(empty_window)
    await client.close()


def test_the_client_brings_no_numpy():
    """Importing the client loads neither numpy nor onnxruntime: orderd stays small."""
    probe = "import sys, orderd.inference.client; sys.exit(bool({'numpy', 'onnxruntime', 'onnx'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", probe], check=True)
