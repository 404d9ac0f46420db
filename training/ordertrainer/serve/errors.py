"""Every error the trainer's ingest raises on purpose, in one tree. Pure.

    ServeError
    ├── StoreLockedError       another trainer writes into the directory
    ├── ForeignSchemaError     the directory, or a host, uses another list of signals
    └── BatchRefusedError      a batch is malformed; names the field

The first two are for whoever runs the trainer, the last for the host that sent the batch; a foreign schema can be either.
"""


class ServeError(Exception):
    """Base of the ingest's errors."""


class StoreLockedError(ServeError):
    """Another process has the data directory open."""


class ForeignSchemaError(ServeError):
    """Two schema digests meet where only one may be; the message holds both."""

    def __init__(self, where: str, *, found: str, ours: str) -> None:
        super().__init__(f"{where} has schema digest {found or '(none)'}, this trainer has {ours}")
        self.found = found
        self.ours = ours


class BatchRefusedError(ServeError):
    """A batch that no retry makes right."""
