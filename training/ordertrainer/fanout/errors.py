"""What can go wrong with tasks that are fanned out.

    FanoutError
     +- AddressError      no cluster can be reached by this name, or Ray is not installed
     +- RefusedError      a worker runs other code, or the cluster has not what a task needs
     +- TaskFailedError   a task raised; names it and its seed
     +- NotSharedError    a worker sees another folder where it has to write
     +- TaskLostError     the workers of a task ended, more often than is tried again

What a task itself raises is told in words: on the other side of a network its class may not exist.
"""


class FanoutError(Exception):
    """Tasks were not carried out; the message says which, why, and what to do."""


class AddressError(FanoutError):
    """There is no cluster by this name."""


class RefusedError(FanoutError):
    """The cluster is not one that would compute the same."""


class TaskFailedError(FanoutError):
    """A task raised. Where its message alone does not explain that, the trace is a note of this exception."""


class NotSharedError(FanoutError):
    """What a worker wrote would lie where nobody finds it."""


class TaskLostError(FanoutError):
    """A task took its workers with it, or they were taken from it."""
