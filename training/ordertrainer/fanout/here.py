"""Tasks one after another, in this process. Touches what they touch."""

import traceback
from collections.abc import Sequence
from typing import TypeVar

from ordertrainer.fanout.errors import TaskFailedError
from ordertrainer.fanout.task import Task, Tick

R = TypeVar("R")


def carry_out(tasks: Sequence[Task[R]], tick: Tick) -> list[R]:
    """Return what tasks return, in order.

    Raises:
        TaskFailedError: one raised; those after it are not begun.
    """
    results: list[R] = []
    for place, task in enumerate(tasks):

        def told(share: float, name: str = task.name, before: int = place) -> None:
            tick(name, (before + share) / len(tasks))

        try:
            results.append(task.work(told))
        except Exception as error:
            raise failure(task, describe(error), "" if isinstance(error, task.refusals) else traceback.format_exc()) from error
        told(1.0)
    return results


def describe(error: Exception) -> str:
    """Return an exception's kind and message in one line."""
    return f"{type(error).__name__}: {error}"


def failure(task: Task[R], said: str, trace: str) -> TaskFailedError:
    """Return what tells that a task raised.

    Args:
        task: which.
        said: kind and message, and where that was.
        trace: empty where the message says all.
    """
    failed = TaskFailedError(f"{task}: {said}")
    if trace:
        failed.add_note(trace.rstrip())
    return failed
