"""The watcher: listens to what orderd says about its decisions and stamps each word with its time of arrival.

Touches: orderd's gRPC socket, standard output. A process of its own for two reasons: gRPC and forking do not go together, and
the driver forks for every playbook; and a drill must notice, not suffer, when orderd goes away in the middle of a stream.

One line is one event: {"t": "decision" | "status" | "lost", "at": arrival on CLOCK_MONOTONIC in nanoseconds, ...}; messages
travel as base64 of their wire form, so that nothing is lost on the way to the verdict.
"""

import base64
import json
import os
import signal
import sys
import threading
import time

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from orderd.v1 import decision_pb2, decision_pb2_grpc, host_pb2, host_pb2_grpc

RETRY_S = 0.2
STATUS_PERIOD_S = 1.0
CALL_TIMEOUT_S = 2.0
PAGE_SIZE = 100


def emit(kind: str, **values: object) -> None:
    """Write one event in one write."""
    os.write(1, (json.dumps({"t": kind, "at": time.monotonic_ns(), **values}, separators=(",", ":")) + "\n").encode())


def packed(message: Message) -> str:
    """Return a message as text."""
    return base64.b64encode(message.SerializeToString()).decode()


def follow_decisions(address: str) -> None:
    """Emit every decision and every change of one, for ever."""
    while True:
        try:
            with grpc.insecure_channel(address) as channel:
                _follow(decision_pb2_grpc.DecisionServiceStub(channel))
        except grpc.RpcError as error:
            emit("lost", why=f"{error.code().name}: {error.details()}")
        time.sleep(RETRY_S)


def _follow(decisions: decision_pb2_grpc.DecisionServiceStub) -> None:
    stream = decisions.WatchDecisions(decision_pb2.WatchDecisionsRequest())
    # Opened first, listed second: what changes in between arrives twice, which is harmless, instead of never.
    page = decisions.ListDecisions(decision_pb2.ListDecisionsRequest(page_size=PAGE_SIZE), timeout=CALL_TIMEOUT_S)
    for decision in reversed(page.decisions):
        emit("decision", message=packed(decision))
    for response in stream:
        emit("decision", message=packed(response.decision))


def follow_status(address: str) -> None:
    """Emit orderd's status and health once a second, for ever."""
    while True:
        try:
            with grpc.insecure_channel(address) as channel:
                _status(channel)
        except grpc.RpcError as error:
            emit("lost", why=f"{error.code().name}: {error.details()}")
        time.sleep(RETRY_S)


def _status(channel: grpc.Channel) -> None:
    host, health = host_pb2_grpc.HostServiceStub(channel), health_pb2_grpc.HealthStub(channel)
    while True:
        serving = health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT_S).status
        status = host.GetStatus(host_pb2.GetStatusRequest(), timeout=CALL_TIMEOUT_S)
        emit("status", serving=serving == health_pb2.HealthCheckResponse.SERVING, message=packed(status))
        time.sleep(STATUS_PERIOD_S)


def main() -> None:
    """Follow the socket named on the command line until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the driver decides when watching ends, by closing our input
    for follow in (follow_decisions, follow_status):
        threading.Thread(target=follow, args=(sys.argv[1],), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
