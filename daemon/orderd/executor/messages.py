"""The typed messages between orderd and orderd-exec, and between orderd-exec and the zygote. Pure.

One message is one datagram of JSON on a SOCK_SEQPACKET socket: boundaries come from the kernel, and a message that is too long,
unknown or of another shape is refused as a whole.

    orderd -> exec     RepairRequest | Wake | WhatRuns
    exec -> orderd     Awake | Running | Accepted, Started, Finished       (a refusal is a Finished with outcome ``refused``)
    exec -> zygote     Job, then Go
    zygote -> exec     Forked, then JobDone | JobRefused
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

MESSAGE_BYTES_MAX: Final = 128 * 1024
TASKS_MAX: Final = 32
NAME_MAX: Final = 100
TEXT_MAX: Final = 500

RepairId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Mode(StrEnum):
    """What is asked for: say what would change, repair, or take the repair back."""

    CHECK = "check"
    APPLY = "apply"
    UNDO = "undo"


class Outcome(StrEnum):
    """How a request ended; only verification may call a succeeded repair a repair."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"


class Code(StrEnum):
    """Stable reason codes, for programs; the detail beside them is for people."""

    BAD_REQUEST = "bad_request"
    PEER_NOT_ALLOWED = "peer_not_allowed"
    UNKNOWN_PLAYBOOK = "unknown_playbook"
    PLAYBOOK_REFUSED = "playbook_refused"
    NO_UNDO = "no_undo"
    TARGET_NOT_ALLOWED = "target_not_allowed"
    TARGET_GONE = "target_gone"
    NOT_ARMED = "not_armed"
    BUSY = "busy"
    RATE_LIMITED = "rate_limited"
    ALREADY_RUN = "already_run"
    NOT_RECORDED = "not_recorded"
    HASH_MISMATCH = "hash_mismatch"
    SCOPE_FAILED = "scope_failed"
    ZYGOTE_UNAVAILABLE = "zygote_unavailable"
    WORKSPACE_FAILED = "workspace_failed"
    TASK_FAILED = "task_failed"
    PLAYBOOK_ERROR = "playbook_error"
    DEADLINE = "deadline"
    DIED = "died"


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all messages: a type tag, nothing unknown, nothing mutable."""


class RepairRequest(_Message, frozen=True, kw_only=True, tag="repair"):
    """One repair asked for.

    Attributes:
        repair_id: chosen by orderd, unique; the scope, the workspace and the quarantine folder carry it.
        playbook: a name of the catalogue.
        target: an entity, ``kind:key``.
        deadline_s: when its processes are killed, counted from their adoption; at most the contract's own.
        mode: what is asked for.
    """

    repair_id: RepairId
    playbook: Name
    target: Annotated[str, msgspec.Meta(max_length=300)]
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=300)]
    mode: Mode


class Wake(_Message, frozen=True, kw_only=True, tag="wake"):
    """Asks for nothing: has systemd start the executor before the first repair is needed."""


class Awake(_Message, frozen=True, kw_only=True, tag="awake"):
    """Answers Wake.

    Attributes:
        playbooks: how many repairs it can run.
        refused: repairs it will not run, with the reason.
        zygote: whether the warm Ansible process answers.
    """

    playbooks: int
    refused: dict[str, str]
    zygote: bool


class WhatRuns(_Message, frozen=True, kw_only=True, tag="what_runs"):
    """Asks which repairs are under way: an orderd that was started anew must not repair what is being repaired."""


class RunningRepair(_Message, frozen=True, kw_only=True, tag="running_repair"):
    """One repair under way.

    Attributes:
        repair_id: the decision it was started for.
        playbook: its name.
        target: ``kind:key``.
        mode: apply or undo.
        remaining_s: seconds until its processes are killed.
    """

    repair_id: RepairId
    playbook: Name
    target: str
    mode: Mode
    remaining_s: float


class Running(_Message, frozen=True, kw_only=True, tag="running"):
    """Answers WhatRuns."""

    repairs: tuple[RunningRepair, ...]


class Accepted(_Message, frozen=True, kw_only=True, tag="accepted"):
    """The request passed every check; nothing has been touched yet."""

    repair_id: RepairId


class Started(_Message, frozen=True, kw_only=True, tag="started"):
    """The playbook is running.

    Attributes:
        scope: the systemd scope that holds every process of it, empty without systemd.
    """

    repair_id: RepairId
    scope: str


class Task(_Message, frozen=True, kw_only=True, tag="task"):
    """How one task ended.

    Attributes:
        name: its name in the playbook.
        status: ok, failed, skipped or unreachable.
        changed: whether it says it changed the host.
        msg: its message, cut.
    """

    name: str
    status: str
    changed: bool
    msg: str


class Finished(_Message, frozen=True, kw_only=True, tag="finished"):
    """The last message of every request; when it arrives, no process of the repair is left.

    Attributes:
        outcome: how it ended.
        code: stable reason, None when it succeeded.
        detail: the reason in words.
        rc: exit status of ansible-playbook, None when it never ended by itself.
        changed: whether any task changed the host.
        tasks: every task that ran.
        seconds: where the time went, by step.
    """

    repair_id: str
    outcome: Outcome
    code: Code | None = None
    detail: str = ""
    rc: int | None = None
    changed: bool = False
    tasks: tuple[Task, ...] = ()
    seconds: dict[str, float] = {}


class Job(_Message, frozen=True, kw_only=True, tag="job"):
    """What the zygote is to run.

    Attributes:
        job_id: names the workspace under ``work_dir``.
        work_dir: parent of all workspaces.
        source_dir: the catalogue to copy from.
        files: path relative to source_dir -> sha256; nothing else is copied.
        playbook: the path among ``files`` to run.
        variables: handed to the playbook as values that are never templated.
        check: run with --check.
        tmpfs_bytes: size of the workspace's tmpfs; 0: a plain folder (tests without root).
    """

    job_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")]
    work_dir: str
    source_dir: str
    files: dict[str, str]
    playbook: str
    variables: dict[str, str | tuple[str, ...]]
    check: bool
    tmpfs_bytes: int


class Go(_Message, frozen=True, kw_only=True, tag="go"):
    """The forked process is where it has to be: let it run."""


class Forked(_Message, frozen=True, kw_only=True, tag="forked"):
    """The process that will run the job exists and waits for Go."""

    pid: int


class JobRefused(_Message, frozen=True, kw_only=True, tag="job_refused"):
    """The job was not run; nothing was touched."""

    code: Code
    detail: str


class JobDone(_Message, frozen=True, kw_only=True, tag="job_done"):
    """The playbook ended by itself."""

    rc: int
    tasks: tuple[Task, ...]
    detail: str
    seconds: dict[str, float]


Request = RepairRequest | Wake | WhatRuns
Reply = Awake | Running | Accepted | Started | Finished
JobReply = Forked | JobDone | JobRefused

REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
REPLIES: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)
JOBS: Final[msgspec.json.Decoder[Job]] = msgspec.json.Decoder(Job)
JOB_REPLIES: Final[msgspec.json.Decoder[JobReply]] = msgspec.json.Decoder(JobReply)


def encode(message: msgspec.Struct) -> bytes:
    """Return one datagram."""
    return msgspec.json.encode(message)


def cut(text: object, longest: int = TEXT_MAX) -> str:
    """Return text fit for a message: one line, valid UTF-8, its end kept, because errors say what matters last."""
    valid = str(text).encode("utf-8", "replace").decode("utf-8")
    flat = "".join(character if character.isprintable() else " " for character in valid)
    return flat if len(flat) <= longest else "..." + flat[-(longest - 3) :]
