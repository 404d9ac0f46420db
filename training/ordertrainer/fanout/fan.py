"""The one seam: tasks in, results in order out. Without an address nothing of Ray is imported."""

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ordertrainer.fanout import addresses, here
from ordertrainer.fanout.errors import AddressError
from ordertrainer.fanout.task import Task, Tick

R = TypeVar("R")


def fan_out(tasks: Sequence[Task[R]], *, address: str | None = None, tick: Tick = lambda _what, _share: None) -> list[R]:
    """Carry out tasks and return what each returned, in order.

    The first that fails ends it all; what others are doing then is cancelled, and so is everything on Ctrl-C: a task that is
    under way gets a KeyboardInterrupt, and after ten seconds its process is ended. A task whose worker is lost is done again.

    Args:
        tasks: independent of each other.
        address: of a Ray cluster, see `ordertrainer.fanout.addresses`; None: one after another in this process.
        tick: told how far it is; on a cluster about once a second, whether or not something ended.

    Raises:
        AddressError: there is no such cluster, or Ray is not installed.
        RefusedError: a worker runs other code, or the cluster has not what a task needs.
        TaskFailedError: a task raised.
        TaskLostError: a task's workers ended under it, again and again.
    """
    if address is None:
        return here.carry_out(tasks, tick)
    with reached(address, kinds={task.kind for task in tasks if task.kind}):
        return _ray().carry_out(tasks, tick)


@contextmanager
def reached(address: str | None, *, cpus: int | None = None, kinds: Collection[str] = ()) -> Generator[None]:
    """Stay connected to a cluster, for more than one `fan_out`; with None, do nothing.

    Args:
        address: as for `fan_out`; what is within a block of another one is part of that.
        cpus: of a cluster that is made for this ("local"); None: all of this machine.
        kinds: of tasks that such a cluster does one at a time.

    Raises:
        AddressError: there is no such cluster, or Ray is not installed.
    """
    if address is None:
        yield
        return
    addresses.check(address)
    with _ray().connected(address, cpus, kinds):
        yield


def _ray():  # noqa: ANN202  a module has no type of its own
    try:
        from ordertrainer.fanout import cluster  # noqa: PLC0415  optional, and seconds to import
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise AddressError("--ray needs the package ray: pip install -c constraints.txt '.[ray]'") from error
    return cluster
