"""Calls orderd and says in one line what stands in the way. Touches the unix socket.

The socket is tried before gRPC sees it: the operating system knows the difference between not running and not allowed, gRPC
only says UNAVAILABLE.
"""

import errno
import os
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from orderd.domain.faults import Entity
from orderd.v1 import decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc
from orderd.wire import entity_to_wire

TLS: Final = "tls://"
_TIMEOUT_S: Final = 5.0
_SEARCH_MAX: Final = 1000
"""Newest decisions that a part of an id is looked for in."""
_PAGE_MAX: Final = 500
_EXAMPLES: Final = 4
"""Ids shown when several fit: enough to choose from."""


class Exit(IntEnum):
    """Exit codes of orderctl; 2 is a wrong command line."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_RUNNING = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5


class CtlError(Exception):
    """What a person is told in one line, and the exit code.

    Attributes:
        code: how orderctl exits.
    """

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


_CODES: Final = {
    grpc.StatusCode.UNAVAILABLE: Exit.NOT_RUNNING,
    grpc.StatusCode.DEADLINE_EXCEEDED: Exit.NOT_RUNNING,
    grpc.StatusCode.PERMISSION_DENIED: Exit.NOT_ALLOWED,
    grpc.StatusCode.NOT_FOUND: Exit.NOT_FOUND,
}


def _from_rpc(error: grpc.RpcError) -> CtlError:
    # Every error of a call is also a grpc.Call, which the base class does not say.
    assert isinstance(error, grpc.Call)
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CtlError(Exit.NOT_RUNNING, f"orderd did not answer within {_TIMEOUT_S:g} s: see journalctl -u orderd")
    if code is grpc.StatusCode.CANCELLED:
        return CtlError(Exit.NOT_RUNNING, "orderd ended the call: it is stopping")
    return CtlError(_CODES.get(code, Exit.REFUSED), error.details() or code.name)


@contextmanager
def told() -> Generator[None]:
    """Turn an error of a call into what a person is told."""
    try:
        yield
    except grpc.RpcError as error:
        raise _from_rpc(error) from error


def check_socket(path: str) -> None:
    """Find out whether orderd can be reached at all.

    Raises:
        CtlError: it is not running, or this user may not talk to it.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_TIMEOUT_S)
        try:
            probe.connect(path)
        except PermissionError as error:
            msg = f"not allowed to talk to orderd at {path}: join the socket's group (usermod -aG orderd USER), or use sudo"
            raise CtlError(Exit.NOT_ALLOWED, msg) from error
        except FileNotFoundError as error:
            msg = f"orderd is not running: nothing at {path}: systemctl start orderd, or name its socket with --socket"
            raise CtlError(Exit.NOT_RUNNING, msg) from error
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                msg = f"orderd is not running: {path} is left over: see systemctl status orderd"
            else:
                msg = f"cannot reach orderd at {path}: {error.strerror or error}"
            raise CtlError(Exit.NOT_RUNNING, msg) from error


class Client:
    """One connection to orderd."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Use an open channel; ``connect`` makes one."""
        self._decisions = decision_pb2_grpc.DecisionServiceStub(channel)
        self._host = host_pb2_grpc.HostServiceStub(channel)

    def status(self) -> host_pb2.GetStatusResponse:
        """Return the host as orderd sees it.

        Raises:
            CtlError: the call failed.
        """
        with told():
            return self._host.GetStatus(host_pb2.GetStatusRequest(), timeout=_TIMEOUT_S)

    def hold(self, entity: Entity, duration_s: float, why: str) -> host_pb2.HoldStatus:
        """Announce that an entity is changed on purpose.

        Raises:
            CtlError: orderd refused.
        """
        request = host_pb2.HoldRequest(entity=entity_to_wire(entity), duration_s=duration_s, why=why)
        with told():
            return self._host.Hold(request, timeout=_TIMEOUT_S).hold

    def release(self, entity: Entity) -> None:
        """End a hold early.

        Raises:
            CtlError: there is none.
        """
        with told():
            self._host.ReleaseHold(host_pb2.ReleaseHoldRequest(entity=entity_to_wire(entity)), timeout=_TIMEOUT_S)

    def decisions(self, count: int, failure: str = "", action: str = "") -> list[decision_pb2.Decision]:
        """Return the newest decisions, newest first, over as many pages as it takes.

        Args:
            count: at most this many.
            failure: only of this failure class; empty for all.
            action: only of this action; empty for all.

        Raises:
            CtlError: the call failed.
        """
        found: list[decision_pb2.Decision] = []
        token = ""
        while len(found) < count:
            request = decision_pb2.ListDecisionsRequest(
                page_size=min(count - len(found), _PAGE_MAX), page_token=token, failure=failure, action=action
            )
            with told():
                page = self._decisions.ListDecisions(request, timeout=_TIMEOUT_S)
            found.extend(page.decisions)
            token = page.next_page_token
            if not token:
                break
        return found

    def decision(self, words: str) -> decision_pb2.Decision:
        """Return one decision.

        Args:
            words: an id, its beginning or its end, or ``latest``.

        Raises:
            CtlError: there is none, or the part fits several.
        """
        if words == "latest":
            return self._only(self.decisions(1), "orderd has decided nothing yet")
        try:
            with told():
                return self._decisions.GetDecision(decision_pb2.GetDecisionRequest(id=words), timeout=_TIMEOUT_S).decision
        except CtlError as error:
            if error.code is not Exit.NOT_FOUND:
                raise
        fitting = [d for d in self.decisions(_SEARCH_MAX) if d.id.startswith(words) or d.id.endswith(words)]
        return self._only(fitting, f"no decision {words!r} among the newest {_SEARCH_MAX}: list them with orderctl decisions")

    def watch(self, failure: str = "") -> Iterator[decision_pb2.Decision]:
        """Yield every change of a decision until orderd stops.

        Raises:
            CtlError: orderd refused, stopped, or dropped this watcher.
        """
        call = self._decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest(failure=failure))
        try:
            with told():
                for response in call:
                    yield response.decision
        finally:
            call.cancel()

    @staticmethod
    def _only(found: list[decision_pb2.Decision], otherwise: str) -> decision_pb2.Decision:
        if not found:
            raise CtlError(Exit.NOT_FOUND, otherwise)
        if len(found) > 1:
            some = ", ".join(d.id for d in found[:_EXAMPLES])
            msg = f"{len(found)} decisions fit: {some}{', ...' if len(found) > _EXAMPLES else ''}: write more of the id"
            raise CtlError(Exit.USAGE, msg)
        return found[0]


@contextmanager
def connect(path: str) -> Generator[Client]:
    """Connect to orderd; see ``open_channel``."""
    with open_channel(path) as channel:
        yield Client(channel)


@contextmanager
def open_channel(path: str) -> Generator[grpc.Channel]:
    """Connect to orderd.

    Args:
        path: of its unix socket; or ``tls://HOST:PORT``.

    Raises:
        CtlError: it is not running, or this user may not talk to it.
    """
    if path.startswith(TLS):
        from orderd.ctl import remote  # noqa: PLC0415  most calls are local

        with remote.channel(path.removeprefix(TLS)) as opened:
            yield opened
        return
    check_socket(path)
    with grpc.insecure_channel(f"unix:{path}") as channel:
        yield channel
