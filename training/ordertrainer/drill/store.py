"""A drill's folder while it is under way: the plan, and every item that is done, written at once.

Touches: out/drill/TIME/{plan.json,items/NUMBER.json}. What is there survives an interruption; a drill that goes on takes the plan
from here, not from the catalogue of that day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from ordertrainer.drill.battery import Item
from ordertrainer.drill.details import RunDetails
from ordertrainer.drill.errors import DrillError
from ordertrainer.drill.result import Model, Run, write

PLAN: Final = "plan.json"
ITEMS: Final = "items"
FINISHED: Final = "drill.json"
STAMP: Final = "%Y%m%dT%H%M%SZ"
NAMES_MAX: Final = 100


class Outline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a drill was asked to do, and what followed from the seed.

    Attributes:
        battery: its name; `faults` where somebody named faults.
        faults: what it draws from, in order.
        seed: targets and intensities follow from it.
        hosts: how many clones, 0 for an inventory.
        inventory: path of the inventory, empty for clones.
        minutes: how long a random or quiet battery takes.
        items: the plan; empty where it has no end and is drawn as it goes.
        started_utc: for people.
    """

    battery: str
    faults: tuple[str, ...]
    seed: int
    hosts: int
    inventory: str = ""
    minutes: float = 0.0
    items: tuple[Item, ...] = ()
    started_utc: str = ""


class DoneItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item that was carried out.

    Attributes:
        number: its place in the plan.
        host: where.
        runs: what came of each of its faults.
        details: what was seen meanwhile, in the same order.
        model: that orderd had loaded.
        version: of orderd.
        took_s: how long it took, the calm before it included.
    """

    number: int
    host: str
    runs: tuple[Run, ...]
    details: tuple[RunDetails, ...]
    model: Model
    version: str
    took_s: float


class Store:
    """The folder of one drill."""

    def __init__(self, directory: Path, outline: Outline) -> None:
        """Remember where; nothing is written before there is something to keep."""
        self.directory = directory
        self.outline = outline

    def keep(self, done: DoneItem) -> None:
        """Write a finished item, and with the first one the plan."""
        if not (self.directory / PLAN).exists():
            write(self.directory, PLAN, msgspec.json.format(msgspec.json.encode(self.outline)) + b"\n")
        write(self.directory / ITEMS, f"{done.number:05d}.json", msgspec.json.encode(done) + b"\n")

    def done(self) -> list[DoneItem]:
        """Return what is done, in the plan's order.

        Raises:
            DrillError: a file is not what was written.
        """
        try:
            return [
                msgspec.json.decode(file.read_bytes(), type=DoneItem)
                for file in sorted((self.directory / ITEMS).glob("[0-9]*.json"))
            ]
        except msgspec.DecodeError as error:
            raise DrillError(f"{self.directory}: an item that was done cannot be read: {error}") from error


def fresh(out: Path, outline: Outline) -> Store:
    """Return a store in a folder of its own, named after the moment."""
    stamp = datetime.now(UTC).strftime(STAMP)
    candidates = [out / stamp, *(out / f"{stamp}-{n}" for n in range(2, NAMES_MAX))]
    return Store(next(folder for folder in candidates if not folder.exists()), outline)


def interrupted(out: Path, directory: Path | None = None) -> Store:
    """Return the store of a drill that did not get to its end.

    Args:
        out: where drills are kept.
        directory: which one; the newest when None.

    Raises:
        DrillError: there is none, or it cannot be read.
    """
    folder = directory or _newest(out)
    if (folder / FINISHED).exists():
        raise DrillError(f"{folder}: is finished; nothing is left to go on with")
    try:
        outline = msgspec.json.decode((folder / PLAN).read_bytes(), type=Outline)
    except FileNotFoundError as absent:
        raise DrillError(f"{folder}: holds no {PLAN}; `--resume` wants the folder of a drill that was interrupted") from absent
    except msgspec.DecodeError as error:
        raise DrillError(f"{folder / PLAN}: {error}") from error
    return Store(folder, outline)


def _newest(out: Path) -> Path:
    unfinished: Sequence[Path] = [plan.parent for plan in out.glob(f"*/{PLAN}") if not (plan.parent / FINISHED).exists()]
    folders = sorted(folder for folder in unfinished if not folder.is_symlink())
    if not folders:
        raise DrillError(f"{out}: holds no drill that was interrupted")
    return folders[-1]
