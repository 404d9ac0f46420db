"""Results of drills, run by run, with what the training had seen of each. Reads drill.json, details.json and the catalogue.

Without details.json beside it, a drill.json does not say how many repairs were tried nor how long a quiet stretch was; figures
that need either say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET

from ordertrainer.chaos import FaultContract
from ordertrainer.drill.details import Details, RunDetails, Said
from ordertrainer.drill.result import Drill, Run
from ordertrainer.evaluation.parts import share_of
from ordertrainer.heldout import HeldOut, Part

RULES_ONLY: Final = "rules"
"""Who decided in a drill without a model."""
QUIET: Final = "quiet"
DRILL_FILE: Final = "drill.json"
DETAILS_FILE: Final = "details.json"
NEWEST: Final = Path("out/drill/latest")
_NOT_THE_CASE: Final = "not the case: "
_REPAIR: Final = "repair"
_Shape = TypeVar("_Shape")


class DrillFileError(Exception):
    """Results of a drill cannot be used; the message names the file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beforehand: what no training may see, and every fault's contract by name."""

    held: HeldOut
    faults: Mapping[str, FaultContract]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRun:
    """One fault, decoy or quiet stretch on a disposable host, and what came of it.

    Attributes:
        run: as the drill has it.
        who: version of the order model, or RULES_ONLY.
        drill: number of the drill among those that were read.
        host: where; hosts of different drills differ.
        part: what its family is for.
        inside: its intensity is one that is trained; None where there is none.
        failure: the class its contract names; empty where the catalogue has no such fault.
        curable: some repair is right.
        repairs: tried, looks that found nothing aside; None where nobody counted.
        seconds: how long it was watched; None where nobody says.
    """

    run: Run
    who: str
    drill: int
    host: str
    part: Part
    inside: bool | None
    failure: str
    curable: bool
    repairs: int | None
    seconds: float | None

    @property
    def beside(self) -> tuple[str, ...]:
        """Return the faults that were injected together with it."""
        return () if self.run.beside is UNSET else tuple(self.run.beside)


def newest(root: Path = NEWEST) -> Path:
    """Return the newest results there are.

    Raises:
        DrillFileError: there are none; says how they are made.
    """
    if not (root / DRILL_FILE).is_file():
        raise DrillFileError(f"{root}: no results; `ordertrainer drill --battery standard` makes them, or name a drill.json")
    return root


def read_runs(paths: Sequence[Path], known: Known) -> tuple[RealRun, ...]:
    """Return the runs of some drills that landed.

    Args:
        paths: of drill.json, or folders that hold one.
        known: beforehand.

    Raises:
        DrillFileError: a file is missing or is no result of a drill.
    """
    found: list[RealRun] = []
    for number, path in enumerate(paths):
        file = path / DRILL_FILE if path.is_dir() else path
        drill = _decoded(file, Drill)
        details = _details(file.with_name(DETAILS_FILE), drill)
        found += [
            _real(run, told, _Drill(number=number, result=drill), known)
            for run, told in zip(drill.runs, details, strict=True)
            if run.landed and run.outcome != "void"
        ]
    return tuple(found)


def _decoded(file: Path, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(file.read_bytes(), type=shape)
    except OSError as error:
        raise DrillFileError(f"{file}: {error.strerror}; `ordertrainer drill` writes one to out/drill/latest") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DrillFileError(f"{file}: not a result of a drill: {error}; name the {file.name} of `ordertrainer drill`") from error


def _details(file: Path, drill: Drill) -> Sequence[RunDetails | None]:
    """Return what was seen of each run, None where the file is not there or is another drill's."""
    nothing: list[RunDetails | None] = [None] * len(drill.runs)
    if not file.is_file():
        return nothing
    details = _decoded(file, Details)
    return details.runs if len(details.runs) == len(drill.runs) else nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drill:
    """One drill among several."""

    number: int
    result: Drill


def _real(run: Run, told: RunDetails | None, drill: _Drill, known: Known) -> RealRun:
    contract = known.faults.get(run.fault)
    host = drill.result.host if run.host is UNSET else run.host
    return RealRun(
        run=run,
        who=drill.result.model.version or RULES_ONLY,
        drill=drill.number,
        host=f"{drill.number}/{host}",
        part=known.held.part(run.fault),
        inside=_inside(run, contract, known.held),
        failure=str(contract.failure) if contract else "",
        curable=run.right_end is UNSET and not run.decoy,
        repairs=None if told is None else sum(map(_was_tried, told.said)),
        seconds=None if told is None else told.end_s,
    )


def _inside(run: Run, contract: FaultContract | None, held: HeldOut) -> bool | None:
    """Tell whether a run's intensity lies in the share of its range that is trained."""
    share = share_of(run.intensity.value if run.intensity else None, contract)
    low, high = held.intensity
    return None if share is None else low <= share <= high


def _was_tried(said: Said) -> bool:
    """Tell whether a decision was a repair that began and did more than look for its cause."""
    words = {what: detail for _, what, detail in said.steps}
    return said.action == _REPAIR and "started" in words and not words.get("finished", "").startswith(_NOT_THE_CASE)
