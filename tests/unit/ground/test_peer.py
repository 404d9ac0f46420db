import importlib.util
import selectors
import socket
import struct
import time

import pytest

from ordertrainer.ground.paths import WORKLOAD_DIR

SOURCE = WORKLOAD_DIR / "rootfs/usr/local/lib/drill/peer.py"


@pytest.fixture(scope="module")
def program():
    """The far end of the drill's second network, as a module."""
    spec = importlib.util.spec_from_file_location("drill_peer", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(program, answer, data):
    """Send something to one end of a pair, let the program reply at the other, and return both ends and its selector."""
    near, far = socket.socketpair()
    selector = selectors.DefaultSelector()
    far.settimeout(0)
    near.settimeout(1)
    selector.register(far, selectors.EVENT_READ)
    if data is None:
        near.shutdown(socket.SHUT_WR)
    else:
        near.sendall(data)
    program.reply(selector, far, answer)
    return near, far, selector


def test_echo_returns_what_came_and_discard_returns_nothing(program):
    """Echo is the same bytes again; discard takes them and stays silent."""
    near, far, _ = asked(program, program.echoed, b"hello")
    assert near.recv(99) == b"hello"
    silent, taken, _ = asked(program, program.discarded, b"hello")
    silent.settimeout(0)
    with pytest.raises(BlockingIOError):
        silent.recv(99)
    for each in (near, far, silent, taken):
        each.close()


def test_a_request_over_http_is_answered(program):
    """Any request gets a short page with its length."""
    near, far, _ = asked(program, program.web_page, b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n")
    head, _, body = near.recv(999).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {len(body)}".encode() in head
    near.close()
    far.close()


def test_a_caller_that_has_left_is_forgotten(program):
    """At the end of what a caller sends, the peer hangs up and no longer looks at it."""
    near, far, selector = asked(program, program.discarded, None)
    assert near.recv(9) == b""
    assert far.fileno() == -1
    assert not selector.get_map()
    near.close()


def test_a_question_for_the_time_is_answered_with_the_time(program):
    """The answer repeats the caller's own time stamp, and carries this host's time as a server with a reference clock has it."""
    question = struct.pack(">B39x", 0x23) + b"mine-own"
    answer = program.time_of_day(question)
    seconds, fraction = struct.unpack(">II", answer[40:48])
    assert len(answer) == 48
    assert answer[0] & 7 == 4
    assert answer[1] == 1
    assert answer[24:32] == b"mine-own"
    assert abs(seconds - 2_208_988_800 + fraction / (1 << 32) - time.time()) < 1


@pytest.mark.parametrize("datagram", [b"", b"\x23" * 20, struct.pack(">B47x", 0x24)])
def test_what_is_no_question_for_the_time_is_not_answered(program, datagram):
    """Short datagrams, and answers of other servers, get no answer: two peers could go on for ever."""
    assert program.time_of_day(datagram) == b""
