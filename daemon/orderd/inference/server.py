"""Answers classify and info requests on a unix socket. Touches sockets only.

One thread, ``selectors``: asyncio would bring OpenSSL into a process that must stay small, and one window a second needs no
concurrency. A client that sends nonsense, or does not read its answers, is disconnected; the others do not notice.
"""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from orderd.domain.values import ModelInfo
from orderd.errors import InferenceError
from orderd.inference import protocol
from orderd.inference.protocol import HEADER, Frame, Header, Kind, Status

CONNECTIONS_MAX: Final = 16
_RECEIVE_BYTES: Final = 1 << 16
_UNSENT_BYTES_MAX: Final = 1 << 20
_KIND_BYTES: Final = 8
_HOST_BYTES: Final = protocol.HOST_FLOATS * 4


Reply = Callable[[protocol.Loaded], None]
OnLoad = Callable[[protocol.Load, Reply], None]


class Answering(Protocol):
    """Who answers: the loaded model, or nobody and why."""

    @property
    def info(self) -> ModelInfo:
        """Return what is loaded."""
        ...

    def scores(self, kinds: bytes, host: bytes, rows: bytes) -> bytes:
        """Return a SCORES body; raises InferenceError, also when no model is loaded."""
        ...


@dataclass(slots=True)
class _Peer:
    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)


class Server:
    """The socket's side of orderd-infer."""

    def __init__(self, listener: socket.socket, answering: Answering, on_load: OnLoad | None = None) -> None:
        """Serve on a listening stream socket.

        Args:
            listener: bound and listening.
            answering: asked for every request.
            on_load: takes the body of a LOAD request and where its one answer goes, later.
        """
        listener.setblocking(False)  # noqa: FBT003  no keyword exists
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._listener = listener
        self._answering = answering
        self._on_load = on_load
        self._peers: dict[int, _Peer] = {}

    def watch(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` whenever ``sock`` can be read."""
        self._selector.register(sock, selectors.EVENT_READ, on_ready)

    def step(self, timeout_s: float | None = None) -> None:
        """Handle what is ready, waiting at most ``timeout_s`` for something."""
        for key, events in self._selector.select(timeout_s):
            if isinstance(key.data, _Peer):
                self._serve(key.data, events)
            else:
                key.data()

    def announce(self) -> None:
        """Tell every client which model is loaded now."""
        frame = protocol.info_frame(self._answering.info, 0)
        for peer in list(self._peers.values()):
            self._send(peer, frame)

    def close(self) -> None:
        """Close every socket."""
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # the client was gone again, or descriptors ran out; it will come back
        if len(self._peers) >= CONNECTIONS_MAX:
            sock.close()
            return
        sock.setblocking(False)  # noqa: FBT003  no keyword exists
        peer = _Peer(sock=sock)
        self._peers[sock.fileno()] = peer
        self._selector.register(sock, selectors.EVENT_READ, peer)

    def _serve(self, peer: _Peer, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(peer)
            if events & selectors.EVENT_READ:
                self._receive(peer)
        except (OSError, EOFError, InferenceError):
            self._drop(peer)  # gone, or it does not speak this protocol: nothing it sends next can be trusted to be aligned

    def _receive(self, peer: _Peer) -> None:
        data = peer.sock.recv(_RECEIVE_BYTES)
        if not data:
            raise EOFError
        peer.received += data
        while (request := _take_request(peer.received)) is not None:
            header, body = request
            if header.kind is Kind.LOAD and self._on_load is not None:
                self._on_load(protocol.decode_load(body), partial(self._reply_later, peer, header.request_id))
            else:
                self._send(peer, self._answer(header, body))

    def _reply_later(self, peer: _Peer, request_id: int, loaded: protocol.Loaded) -> None:
        """Answer a LOAD; the peer may have gone in the meantime."""
        if self._peers.get(peer.sock.fileno()) is peer:
            self._send(peer, protocol.loaded_frame(loaded, request_id))

    def _answer(self, header: Header, body: bytes) -> Frame:
        if header.kind is Kind.INFO:
            return protocol.info_frame(self._answering.info, header.request_id)
        if header.kind is Kind.LOAD:
            return protocol.loaded_frame(protocol.Loaded(accepted=False, why="nothing can be loaded here"), header.request_id)
        if not self._answering.info.loaded:
            return protocol.refusal_frame(header.request_id, Status.NO_MODEL, self._answering.info.why)
        kinds_end = header.entities * _KIND_BYTES
        host_end = kinds_end + _HOST_BYTES
        try:
            scores = self._answering.scores(body[:kinds_end], body[kinds_end:host_end], body[host_end:])
        except InferenceError as error:
            return protocol.refusal_frame(header.request_id, Status.FAILED, str(error))
        return Frame(kind=Kind.SCORES, request_id=header.request_id, entities=header.entities, body=scores)

    def _send(self, peer: _Peer, frame: Frame) -> None:
        peer.unsent += frame.encode()
        try:
            self._flush(peer)
        except OSError:
            self._drop(peer)

    def _flush(self, peer: _Peer) -> None:
        try:
            del peer.unsent[: peer.sock.send(peer.unsent)]
        except BlockingIOError:
            if len(peer.unsent) > _UNSENT_BYTES_MAX:
                raise ConnectionError("the client does not read its answers") from None
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        self._selector.modify(peer.sock, interest, peer)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.pop(peer.sock.fileno(), None) is not None:
            self._selector.unregister(peer.sock)
            peer.sock.close()


def _take_request(received: bytearray) -> tuple[Header, bytes] | None:
    """Cut one whole request off the front of what arrived, None when there is none yet.

    Raises:
        InferenceError: what arrived is no request.
    """
    if len(received) < HEADER.size:
        return None
    header = protocol.decode_header(bytes(received[: HEADER.size]))
    if header.kind in {Kind.SCORES, Kind.LOADED} or header.status is not Status.OK:
        msg = "a reply where a request belongs"
        raise InferenceError(msg)
    end = HEADER.size + header.body_bytes
    if len(received) < end:
        return None
    body = bytes(received[HEADER.size : end])
    del received[:end]
    return header, body
