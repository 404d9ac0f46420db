"""The socket's side of orderd-infer, without a model."""

import socket
import struct

import pytest

from orderd.domain.values import ModelInfo
from orderd.errors import InferenceError
from orderd.inference import protocol
from orderd.inference.protocol import HEADER, Frame, Kind, Status
from orderd.inference.server import CONNECTIONS_MAX, Server


class Fake:
    """Answers every question with P(wrong) = 0.5, or fails as told."""

    def __init__(self):
        """Begin loaded."""
        self.info = ModelInfo(loaded=True, version="1")
        self.error = ""

    def scores(self, kinds, host, rows):
        """Return a SCORES body for no entities."""
        if self.error:
            raise InferenceError(self.error)
        return struct.pack("<f", 0.5)


@pytest.fixture
def fake():
    """Return the answering side."""
    return Fake()


@pytest.fixture
def server(tmp_path, fake):
    """Return a server on a socket, stepped by hand."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(64)
    served = Server(listener, fake)
    yield served
    served.close()


@pytest.fixture
def dial(tmp_path, server):
    """Return a maker of connections; they are closed when the test ends."""
    made = []

    def make():
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].settimeout(2)
        made[-1].connect(str(tmp_path / "s"))
        server.step(0.1)
        return made[-1]

    yield make
    for sock in made:
        sock.close()


QUESTION = Frame(kind=Kind.CLASSIFY, request_id=5, body=bytes(protocol.classify_bytes(0))).encode()


def reply(sock):
    """Return the next reply."""
    header = protocol.decode_header(sock.recv(HEADER.size, socket.MSG_WAITALL))
    return header, sock.recv(header.body_bytes, socket.MSG_WAITALL)


def test_question_in_pieces_is_answered_once_it_is_whole(server, dial):
    """Bytes may arrive one by one."""
    sock = dial()
    for i in range(0, len(QUESTION), 100):
        sock.sendall(QUESTION[i : i + 100])
        server.step(0.1)
    header, body = reply(sock)
    assert (header.request_id, header.status) == (5, Status.OK)
    assert struct.unpack("<f", body) == (0.5,)


def test_questions_in_one_write_are_answered_in_order(server, dial):
    """A burst gets one answer each."""
    sock = dial()
    sock.sendall(b"".join(Frame(kind=Kind.INFO, request_id=i).encode() for i in range(5)))
    server.step(0.1)
    assert [reply(sock)[0].request_id for _ in range(5)] == list(range(5))


def test_failure_of_the_model_is_the_answer(server, dial, fake):
    """What the model could not do is said to who asked, and the next question is served."""
    sock, fake.error = dial(), "the model answered NaN"
    sock.sendall(QUESTION)
    server.step(0.1)
    header, body = reply(sock)
    assert (header.status, body) == (Status.FAILED, b"the model answered NaN")
    fake.error = ""
    sock.sendall(QUESTION)
    server.step(0.1)
    assert reply(sock)[0].status is Status.OK


def test_without_a_model_the_reason_is_the_answer(server, dial, fake):
    """No model: every question is refused with why."""
    fake.info = ModelInfo(loaded=False, why="sha256 differs")
    sock = dial()
    sock.sendall(QUESTION)
    server.step(0.1)
    header, body = reply(sock)
    assert (header.status, body) == (Status.NO_MODEL, b"sha256 differs")


@pytest.mark.parametrize("nonsense", [b"\xff" * 64, Frame(kind=Kind.SCORES, request_id=1, body=bytes(4)).encode()])
def test_who_talks_nonsense_is_disconnected(server, dial, nonsense):
    """Garbage, and replies where requests belong, end the connection."""
    sock = dial()
    sock.sendall(nonsense)
    server.step(0.1)
    assert sock.recv(1) == b""


def test_who_does_not_read_is_disconnected(server, dial):
    """Unsent answers are bounded: a client that only asks is dropped, and another one is still served."""
    deaf = dial()
    deaf.settimeout(0)
    burst = Frame(kind=Kind.INFO, request_id=1).encode() * 1000
    gone = False
    for _ in range(2000):
        try:
            deaf.send(burst)
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            gone = True
            break
        server.step(0)
    assert gone
    sock = dial()
    sock.sendall(QUESTION)
    server.step(0.1)
    assert reply(sock)[0].status is Status.OK


def test_connections_are_bounded(server, dial):
    """One connection over the bound is closed at once; those before it are served."""
    kept = [dial() for _ in range(CONNECTIONS_MAX)]
    assert dial().recv(1) == b""
    kept[0].sendall(QUESTION)
    server.step(0.1)
    assert reply(kept[0])[0].status is Status.OK


def test_new_model_is_announced_to_everyone(server, dial, fake):
    """Clients learn of a swap without asking."""
    socks = [dial(), dial()]
    fake.info = ModelInfo(loaded=True, version="2")
    server.announce()
    assert [protocol.decode_info(reply(sock)[1]).version for sock in socks] == ["2", "2"]
