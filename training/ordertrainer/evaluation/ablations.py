"""Ablations: what is left of a training without one of its parts, at equal drills, with several seeds. Reads and writes one file.

    {"version": 1, "arm": "real only", "seed": 0, "drills": 1200, "exam": "<what it was examined on>",
     "scores": {"macro_f1": 0.93, "right_entity": 0.97}, "commit": "0123abc", "notes": ""}

    arm      "everything", or what was left out; ARMS are asked for by the score table, others are shown after them
    drills   that it learned from, recorded and simulated together; arms are compared at equal drills
    exam     one word for the questions: sha256 of a data set, or name and seed of a simulated exam; all arms answer the same
    scores   numbers of any name; the same names in all arms

Any training can append a line (`append_line`); `ordertrainer evaluate --checkpoint C --data D --arm ARM` does it for an order
model. Lines are appended durably and in one write, so that several trainings may share a file and a crash leaves whole
lines.
"""

import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ordertrainer.evaluation.intervals import number

VERSION: Final = 1
EVERYTHING: Final = "everything"
ARMS: Final = (EVERYTHING, "no evolution", "no pretraining", "simulator only", "real only")
SEEDS_MIN: Final = 3
EQUAL: Final = 0.05
"""Drills of two arms may differ by so much of the larger number and still be called equal."""


class AblationError(Exception):
    """A file of ablations cannot be used; the message names file, line and what to do."""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training; see the module."""

    version: Literal[1] = 1
    arm: Annotated[str, Meta(min_length=1, max_length=80)]
    seed: int
    drills: Annotated[int, Meta(ge=0)]
    exam: Annotated[str, Meta(min_length=1, max_length=200)]
    scores: dict[str, float | None]
    commit: str = ""
    notes: str = ""


def append_line(file: Path, line: Line) -> None:
    """Add a training, durably and in one write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, msgspec.json.encode(line) + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def read_lines(file: Path) -> tuple[Line, ...]:
    """Return the trainings of a file; of one arm and seed the newest counts.

    Raises:
        AblationError: the file is missing, a line is no ablation, or the arms were not examined on the same.
    """
    try:
        raw = file.read_bytes().splitlines()
    except OSError as error:
        raise AblationError(f"{file}: {error.strerror}; `ordertrainer evaluate --arm` appends to one") from error
    lines = {(line.arm, line.seed): line for number, text in enumerate(raw, 1) if (line := _parse(file, number, text))}
    exams = sorted({line.exam for line in lines.values()})
    if len(exams) > 1:
        raise AblationError(f"{file}: arms were examined on different things: {', '.join(exams[:3])}; keep a file for each")
    return tuple(lines.values())


def _parse(file: Path, number: int, text: bytes) -> Line | None:
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError as error:
        raise AblationError(f"{file}:{number}: {error}; remove the line") from error


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return every arm: mean, least and most of each score over seeds, and how far it is from everything, seed by seed.

    Args:
        lines: of one file.
    """
    arms = [arm for arm in ARMS if any(line.arm == arm for line in lines)]
    arms += sorted({line.arm for line in lines} - set(ARMS))
    whole = {line.seed: line for line in lines if line.arm == EVERYTHING}
    return {arm: _arm([line for line in lines if line.arm == arm], whole) for arm in arms}


def _arm(lines: Sequence[Line], whole: Mapping[int, Line]) -> dict[str, Any]:
    names = sorted({name for line in lines for name in line.scores})
    drills = sorted({line.drills for line in lines})
    asked = sorted({line.drills for line in whole.values()}) or drills
    least, most = min(drills + asked), max(drills + asked)
    return {
        "seeds": len(lines),
        "drills": drills,
        "equal_drills": most - least <= EQUAL * most,
        "scores": {name: _spread([line.scores.get(name) for line in lines]) for name in names},
        "against_everything": {name: _spread(_gaps(lines, whole, name)) for name in names} if whole else {},
    }


def _gaps(lines: Sequence[Line], whole: Mapping[int, Line], name: str) -> list[float | None]:
    """Return how far each training is from the one with everything and the same seed."""
    found: list[float | None] = []
    for line in lines:
        mine, other = line.scores.get(name), whole[line.seed].scores.get(name) if line.seed in whole else None
        found.append(None if mine is None or other is None else mine - other)
    return found


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "least": None, "most": None}
    return {"mean": statistics.fmean(known), "least": min(known), "most": max(known)}


def ablation_table(arms: Mapping[str, Any]) -> str:
    """Return the Markdown table of arms; arms that are missing, and comparisons that are not fair, are said below it.

    Args:
        arms: what ``summary`` returned.
    """
    names = sorted({name for told in arms.values() for name in told["scores"]})
    head = ["arm", "seeds", "drills", *(f"{name}, mean [least to most]" for name in names)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for arm, told in arms.items():
        cells = [arm, str(told["seeds"]), " to ".join(dict.fromkeys(str(n) for n in (told["drills"][0], told["drills"][-1])))]
        cells += [_cell(told["scores"].get(name)) for name in names]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks(arms))]).rstrip()


def remarks(arms: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the table has to know: which arms are missing, and which are not comparable yet."""
    found = [f"no training of the arm {arm!r}" for arm in ARMS if arm not in arms]
    found += [f"{arm}: {told['seeds']} seed(s), want {SEEDS_MIN}" for arm, told in arms.items() if told["seeds"] < SEEDS_MIN]
    return found + [
        f"{arm}: its drills differ from those of {EVERYTHING!r}" for arm, told in arms.items() if not told["equal_drills"]
    ]


def _cell(spread: Mapping[str, float | None] | None) -> str:
    if spread is None or spread["mean"] is None:
        return "-"
    return f"{number(spread['mean'])} [{number(spread['least'])} to {number(spread['most'])}]"
