"""Calls orderd and says in one line what stands in the way. Touches the unix socket.

The socket is tried before gRPC sees it: the operating system knows the difference between not running and not allowed, gRPC
only says UNAVAILABLE.
"""

import errno
import os
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from orderd.v1 import decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc

TLS: Final = "tls://"
_TIMEOUT_S: Final = 5.0
_SLOW_S: Final = 30.0
"""For calls that ask the model many times."""
_PAGE_MAX: Final = 500
_RESUME_METADATA: Final = "orderd-resume-token"
"""Initial metadata of a watch: orderd has taken it, and nothing is missed that changes after this token."""
ENROL_AGAIN: Final = "where the trainer runs: ordertrainer token --role operator --name YOU; here: orderctl enrol --me TOKEN"


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
        status: what orderd answered, where it did.
    """

    def __init__(self, code: Exit, message: str, status: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


_CODES: Final = {
    grpc.StatusCode.UNAVAILABLE: Exit.NOT_RUNNING,
    grpc.StatusCode.DEADLINE_EXCEEDED: Exit.NOT_RUNNING,
    grpc.StatusCode.PERMISSION_DENIED: Exit.NOT_ALLOWED,
    grpc.StatusCode.UNAUTHENTICATED: Exit.NOT_ALLOWED,
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
    why = error.details() or code.name
    if code is grpc.StatusCode.UNAUTHENTICATED:
        why = f"{why}; {ENROL_AGAIN}"
    return CtlError(_CODES.get(code, Exit.REFUSED), why, code)


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

    def decisions_call(self, method: str, request: Any, *, slow: bool = False) -> Any:
        """Call a method of DecisionService and return its answer.

        Args:
            method: its name.
            request: its request.
            slow: it asks the model many times.

        Raises:
            CtlError: orderd refused.
        """
        with told():
            return getattr(self._decisions, method)(request, timeout=_SLOW_S if slow else _TIMEOUT_S)

    def host_call(self, method: str, request: Any) -> Any:
        """Call a method of HostService and return its answer.

        Raises:
            CtlError: orderd refused.
        """
        with told():
            return getattr(self._host, method)(request, timeout=_TIMEOUT_S)

    def tickets(self, *, closed: bool) -> list[host_pb2.Ticket]:
        """Return all tickets, newest first.

        Args:
            closed: also those that were closed.

        Raises:
            CtlError: the call failed.
        """
        found: list[host_pb2.Ticket] = []
        token = ""
        while not found or token:
            page = self.host_call(
                "ListTickets", host_pb2.ListTicketsRequest(closed=closed, page_size=_PAGE_MAX, page_token=token)
            )
            found.extend(page.tickets)
            token = page.next_page_token
            if not token:
                break
        return found

    def decisions(self, count: int, **filters: Any) -> list[decision_pb2.Decision]:
        """Return the newest decisions, newest first, over as many pages as it takes.

        Args:
            count: at most this many.
            filters: fields of ListDecisionsRequest.

        Raises:
            CtlError: the call failed.
        """
        found: list[decision_pb2.Decision] = []
        token = ""
        while len(found) < count:
            request = decision_pb2.ListDecisionsRequest(page_size=min(count - len(found), _PAGE_MAX), page_token=token, **filters)
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
            newest = self.decisions(1)
            if not newest:
                raise CtlError(Exit.NOT_FOUND, "orderd has decided nothing yet")
            return newest[0]
        try:
            return self.decisions_call("GetDecision", decision_pb2.GetDecisionRequest(id=words)).decision
        except CtlError as error:
            if error.status is grpc.StatusCode.INVALID_ARGUMENT:
                raise CtlError(Exit.USAGE, str(error)) from error
            if error.code is Exit.NOT_FOUND:
                raise CtlError(Exit.NOT_FOUND, f"no decision {words!r}: list them with orderctl decisions") from error
            raise

    def watch(
        self, failure: str = "", after: str = "", begun: Callable[[str], None] = lambda _token: None
    ) -> Iterator[decision_pb2.WatchDecisionsResponse]:
        """Yield every change of a decision until orderd stops.

        Args:
            failure: only of this failure class; empty for all.
            after: the resume token of the last change that was handled; empty for from now on.
            begun: called when orderd has taken the watch, with the resume token of that moment.

        Raises:
            CtlError: orderd refused, stopped, or dropped this watcher.
        """
        call = self._decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest(failure=failure, resume_after=after))
        try:
            with told():
                first = dict(call.initial_metadata() or ())
                if _RESUME_METADATA in first:
                    begun(str(first[_RESUME_METADATA]))
                yield from call
        finally:
            call.cancel()


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
