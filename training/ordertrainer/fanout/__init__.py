"""Many tasks at once: one after another in this process, or side by side on a Ray cluster. What they return is the same.

    task        a piece of work with a seed of its own
    fan         `fan_out`: tasks in, results in order out; the one seam
    here        one after another
    cluster     on Ray; nothing else imports it
    worker      what happens to a task in a process of the cluster
    sources     a digest of what runs: driver and workers must be the same
    addresses   how a cluster is named
    shared      a folder that all workers have to see
    errors      what can go wrong

A task carries all that it needs, its seed too; which process does it, and when, changes nothing.
"""

from ordertrainer.fanout.errors import AddressError, FanoutError, NotSharedError, RefusedError, TaskFailedError, TaskLostError
from ordertrainer.fanout.fan import fan_out, reached
from ordertrainer.fanout.shared import refuse_elsewhere, sealed
from ordertrainer.fanout.task import Task, Tick

__all__ = [
    "AddressError",
    "FanoutError",
    "NotSharedError",
    "RefusedError",
    "Task",
    "TaskFailedError",
    "TaskLostError",
    "Tick",
    "fan_out",
    "reached",
    "refuse_elsewhere",
    "sealed",
]
