"""Tasks side by side on a Ray cluster. The only importer of ray; touches the network: whatever the cluster's nodes are.

Workers need orderd and ordertrainer installed as here, with the same sources; a task says which it was made for. Nothing is
reported to Ray's makers, and a cluster made for one command has no dashboard.
"""

import os

# Before the import, which reads them.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

import pickle
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import RayError

from ordertrainer.fanout.addresses import LOCAL
from ordertrainer.fanout.errors import AddressError, RefusedError, TaskLostError
from ordertrainer.fanout.here import failure
from ordertrainer.fanout.sources import digest_here
from ordertrainer.fanout.task import Task, Tick
from ordertrainer.fanout.worker import DONE, FAILED, Answer

R = TypeVar("R")

LOST_MAX: Final = 2
"""As often is a task done again whose worker was lost."""
FLYING_MAX: Final = 256
"""Tasks that the cluster knows of at a time; it places them as it has room."""
UNLESS_TOLD: Final = " (one that asks for a token wants RAY_AUTH_MODE=token and the token, as Ray documents it)"
STARTS: Final = 3
"""As often is a cluster of its own started: Ray gives its processes half a minute, which a busy machine may not."""
BEAT_S: Final = 1.0
GRACE_S: Final = 10.0
"""What is under way has this long to put things in order when all is cancelled."""
STORE_BYTES: Final = 96 * 2**20
"""Of shared memory, for a cluster that is made for this: results are small."""


@contextmanager
def connected(address: str, cpus: int | None = None, kinds: Collection[str] = ()) -> Generator[None]:
    """Stay connected to a cluster; within another such block, do nothing.

    Args:
        address: that somebody answers at.
        cpus: of a cluster that is made for this.
        kinds: of tasks that such a cluster does one at a time.

    Raises:
        AddressError: it is no cluster, or one of another Ray or Python.
    """
    if ray.is_initialized():
        yield
        return
    made: dict[str, Any] = {}
    if address == LOCAL:
        made = {"num_cpus": cpus, "resources": dict.fromkeys(kinds, 1), "include_dashboard": False}
        made["object_store_memory"] = STORE_BYTES
    for left in reversed(range(STARTS if address == LOCAL else 1)):
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, **made)
            break
        except Exception as error:  # Ray raises bare ones, too
            ray.shutdown()
            if not left:
                said = str(error).strip().splitlines() or [type(error).__name__]
                raise AddressError(f"--ray {address}: {said[0].rstrip('.')}{'' if address == LOCAL else UNLESS_TOLD}") from error
    try:
        yield
    finally:
        ray.shutdown()


def carry_out(tasks: Sequence[Task[R]], tick: Tick) -> list[R]:
    """Return what tasks return, in order.

    Raises:
        RefusedError: see there.
        TaskFailedError: see there.
        TaskLostError: see there.
    """
    _refuse_what_has_no_room(tasks)
    remote, asked = ray.remote(_by_value()), digest_here()
    waiting, flying, results = deque(range(len(tasks))), dict[Any, int](), dict[int, R]()
    try:
        while waiting or flying:
            while waiting and len(flying) < FLYING_MAX:
                place = waiting.popleft()
                task = tasks[place]
                flying[remote.options(**_options(task)).remote(pickle.dumps(task), asked)] = place
            for over in ray.wait(list(flying), timeout=BEAT_S)[0]:
                place = flying.pop(over)
                results[place] = _result(tasks[place], over)
            tick(f"{len(results)} of {len(tasks)} done", len(results) / max(1, len(tasks)))
    except BaseException:
        _cancel(list(flying))
        raise
    return [results[place] for place in range(len(tasks))]


def _options(task: Task[Any]) -> dict[str, Any]:
    kind = {task.kind: 1} if task.kind else {}
    again = LOST_MAX if task.again else 0
    return {"num_cpus": task.cpus, "num_gpus": task.gpus, "resources": kind, "max_retries": again, "name": task.name}


def _by_value() -> Callable[[bytes, str], Answer]:
    """Return what workers run. It is sent as it is, so that a worker without our packages can say so."""

    def carry_out_there(packed: bytes, asked: str) -> Answer:
        import os  # noqa: PLC0415  sent alone: what is at the top of this file stays here
        import socket  # noqa: PLC0415

        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            from ordertrainer.fanout import worker  # noqa: PLC0415
        except ImportError as missing:
            return "refused", f"worker on {socket.gethostname()} cannot import ordertrainer.fanout ({missing}); install it", b""
        return worker.carry_out(packed, asked)

    return carry_out_there


def _result(task: Task[R], over: Any) -> R:
    try:
        ended, said, packed = ray.get(over)
    except RayError as error:
        attempts = f", {LOST_MAX} more attempts included" if task.again else ""
        lost = f"its worker was lost{attempts} ({type(error).__name__})"
        raise TaskLostError(f"{task}: {lost}; the nodes' logs and memory say why") from error
    if ended == DONE:
        return pickle.loads(packed)  # noqa: S301  from a worker that runs our own sources
    if ended == FAILED:
        raise failure(task, said, packed.decode())
    raise RefusedError(f"{task}: {said}")


def _refuse_what_has_no_room(tasks: Sequence[Task[Any]]) -> None:
    """Refuse what Ray would let wait for ever."""
    there = ray.cluster_resources()
    for task in tasks:
        for what, needed in (("CPU", task.cpus), ("GPU", task.gpus), *(((task.kind, 1),) if task.kind else ())):
            if needed > there.get(what, 0):
                raise RefusedError(f"{task}: needs {needed} {what}, the cluster has {there.get(what, 0):g}")


def _cancel(flying: list[Any]) -> None:
    """Interrupt tasks, and end those that do not stop."""
    for each in flying:
        ray.cancel(each)
    left = ray.wait(flying, num_returns=len(flying), timeout=GRACE_S)[1] if flying else []
    for each in left:
        ray.cancel(each, force=True)
