"""The vocabulary of contracts: what a landed fault looks like, and the steps that undo it. Pure.

Every kind here has its counterpart in playbooks/faults/common/host (`sights.py`, `undo.py`), which carries it out; a contract
test holds the two lists together. Texts may hold `{target}`, `{intensity}` and the contract's own parameters.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1, max_length=300)]
Path = Annotated[str, Meta(pattern=r"^(/|\{target\})[A-Za-z0-9._/@:{}-]{0,250}$")]
Unit = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:_.@{}-]{1,200}$")]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
Content = Annotated[str, Meta(max_length=4096)]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of a contract: nothing unknown, nothing mutable."""


class _Sight(Strict, tag_field="see"):
    """A condition the witness looks for."""


class MainProcessGone(_Sight, tag="main_process_gone"):
    """The main process the unit had before is gone."""

    unit: Unit


class MainProcessStopped(_Sight, tag="main_process_stopped"):
    """The main process the unit had before is stopped by a signal."""

    unit: Unit


class Link(_Sight, tag="link"):
    """A path is a link to another."""

    path: Path
    to: Path


class FileContent(_Sight, tag="content"):
    """A file holds exactly this."""

    path: Path
    content: Content


class Restarts(_Sight, tag="restarts"):
    """systemd has restarted the unit by itself."""

    unit: Unit
    at_least: Annotated[int, Meta(ge=1, le=100)]


class MountUsed(_Sight, tag="mount_used"):
    """A file system is that full."""

    path: Path
    at_least_ratio: Ratio


class CpuUser(_Sight, tag="cpu_user"):
    """The unit's main process uses that many cores in user mode."""

    unit: Unit
    at_least_cores: Annotated[float, Meta(gt=0, le=64)]


class MemoryGrown(_Sight, tag="memory_grown"):
    """The unit's main process holds that much memory."""

    unit: Unit
    at_least_bytes: Annotated[int, Meta(ge=1 << 20)]


class FileAtLeast(_Sight, tag="file_at_least"):
    """A file is that large."""

    path: Path
    at_least_bytes: Annotated[int, Meta(ge=1)]


class NameServerSilent(_Sight, tag="name_server_silent"):
    """No server named in a resolver configuration answers."""

    path: Path


class ClockOff(_Sight, tag="clock_off"):
    """The wall clock has moved against the clock that counts since boot."""

    at_least_s: Seconds


Sight = (
    MainProcessGone
    | MainProcessStopped
    | Link
    | FileContent
    | Restarts
    | MountUsed
    | CpuUser
    | MemoryGrown
    | FileAtLeast
    | NameServerSilent
    | ClockOff
)


class _Undo(Strict, tag_field="undo"):
    """A step of the revert; each acts only where the fault's own doing still stands."""


class UndoPath(_Undo, tag="path"):
    """Put back what a path held, while it still is the link or the content that the fault writes."""

    path: Path
    link: str = ""
    content: Content = ""


class UndoUnit(_Undo, tag="unit"):
    """Start a unit that was active, unless somebody has started it since."""

    unit: Unit


class UndoResume(_Undo, tag="resume"):
    """Let the stopped processes of a unit run on."""

    unit: Unit


class UndoTransient(_Undo, tag="transient"):
    """Stop a unit of the fault's own making."""

    unit: Unit


class UndoCreated(_Undo, tag="created"):
    """Remove a file of the fault's own making."""

    path: Path


class UndoHold(_Undo, tag="hold"):
    """Take back an announcement to orderd."""

    unit: Unit
    orderctl: Path = "/opt/orderd/bin/orderctl"


class UndoClock(_Undo, tag="clock"):
    """Step the clock back, while it still is off by what the fault stepped."""

    step_s: float | Annotated[str, Meta(pattern=r"^\{\w+\}$")]
    tolerance_s: Seconds


Undo = UndoPath | UndoUnit | UndoResume | UndoTransient | UndoCreated | UndoHold | UndoClock
