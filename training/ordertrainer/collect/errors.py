"""What can go wrong while collecting. Pure.

    CollectError         collecting cannot go on; the message says what to do
    ├── HostLost         one host cannot be used any more; the others go on
    Discarded            one run does not count; nothing is written of it, the next one begins
    Interrupted          somebody asked to stop; the run is left as it is, the host goes away with it

The last two are signals between `run` and `worker`, never shown as errors.
"""


class CollectError(Exception):
    """Collecting cannot go on."""


class HostLost(CollectError):  # noqa: N818  says what happened, as its neighbours do
    """A host does not become steady, does not answer, or its telemetry does not arrive."""


class Discarded(Exception):  # noqa: N818  not an error: a run that does not count
    """A run that does not count; the message says why."""


class Interrupted(Exception):  # noqa: N818  not an error: somebody asked to stop
    """Collecting was asked to stop."""
