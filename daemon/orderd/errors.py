"""Every error orderd raises on purpose, in one tree. Pure; imports nothing of orderd.

OrderdError
├── ConfigError            orderd.toml names something that is not allowed
├── CatalogueError         a repair or fault folder is broken or was changed
├── ModelRefusedError      a model file is missing, corrupt or does not match this orderd
├── InferenceError         orderd-infer did not answer in time or answered nonsense
├── JournalError           the decision journal cannot be read or written
├── ExecutorError          orderd-exec is unreachable or broke off
│   └── RepairRefusedError orderd-exec refused a request, with a stable reason code
├── TelemetryError         the trainer is unreachable or refused a batch
├── TrustError             a signature is missing, wrong, expired, of an unknown key, or older than what was accepted before
├── IdentityError          this host is not enrolled, or its key, certificate or authority cannot be used
├── NotAllowedError        the caller's role does not allow it
├── StateError             what was asked for does not fit the state things are in (answered already, expired, not waiting)
└── WatchError             a watcher of decisions was too slow, or there are too many
"""


class OrderdError(Exception):
    """Base of every error raised by orderd."""


class ConfigError(OrderdError):
    """A configuration file holds something that is not allowed; names file, key, value and remedy."""

    def __init__(self, *, file: str, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{file}: {key} = {value!r}: {allowed}")
        self.file = file
        self.key = key
        self.value = value
        self.allowed = allowed


class CatalogueError(OrderdError):
    """A catalogue folder is broken: no contract, a bad contract, or files that differ from the manifest."""


class ModelRefusedError(OrderdError):
    """A model was refused before it could decide anything; the message says which check failed."""


class InferenceError(OrderdError):
    """The inference program failed to answer in time; rules decide instead."""


class JournalError(OrderdError):
    """The journal cannot be read or written; no repair may start without it."""


class ExecutorError(OrderdError):
    """The executor is unreachable or broke off in mid-repair."""


class RepairRefusedError(ExecutorError):
    """The executor refused a request.

    Attributes:
        code: stable reason code, for example ``unknown_playbook``.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class TelemetryError(OrderdError):
    """The trainer is unreachable or refused a batch; the spool keeps it."""


class TrustError(OrderdError):
    """Something signed is not to be trusted; the message names the file and what is wrong with it."""


class IdentityError(OrderdError):
    """This host is not enrolled, or what it was enrolled with cannot be used; the message says what to do."""


class NotAllowedError(OrderdError):
    """The caller's role does not allow what was asked for."""


class StateError(OrderdError):
    """What was asked for does not fit the state things are in; asking again will not help before that changes.

    Attributes:
        reason: stable code: a guard's reason, or ``not_waiting``, ``answered``, ``evidence_dropped``, ``no_model``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WatchError(OrderdError):
    """A watcher of decisions was dropped or refused; the message says what it can do."""
