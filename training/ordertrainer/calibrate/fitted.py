"""What was fitted as the file that the simulator reads: TOML that people can review. Pure but for `write`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ordertrainer.calibrate.courses import healthy_courses
from ordertrainer.calibrate.onsets import class_strengths, onsets, strengths
from ordertrainer.calibrate.recording import Run
from ordertrainer.chaos import FaultContract
from ordertrainer.files import write_durably
from ordertrainer.sim.fitted import Course, Fitted, Provenance

_HEAD: Final = """\
# What recorded hosts taught the simulator. Written by `ordertrainer calibrate`, read by `ordertrainer.sim.fitted`, which tells
# what everything means. Fitted to runs of the split "train", of faults that may be trained on. Not to be edited by hand.
"""
_A_LINE: Final = 13


def fit(runs: Sequence[Run], contracts: Mapping[str, FaultContract], provenance: Provenance) -> Fitted:
    """Return everything that runs teach.

    Args:
        runs: that may be fitted to.
        contracts: of faults, by name.
        provenance: where they are from.
    """
    return Fitted(
        provenance=provenance,
        healthy=healthy_courses(runs),
        onsets=onsets(runs, contracts),
        strengths=strengths(runs, contracts),
        classes=class_strengths(runs, contracts),
    )


def write(fitted: Fitted, file: Path) -> None:
    """Replace a file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_durably(file, text(fitted).encode())


def text(fitted: Fitted) -> str:
    """Return the file's content."""
    return "\n".join((_HEAD, *_lines(fitted))) + "\n"


def _lines(fitted: Fitted) -> Iterator[str]:
    said = fitted.provenance
    yield "[provenance]"
    yield from (f'{name} = "{getattr(said, name)}"' for name in ("data", "command", "commit"))
    yield from (f"{name} = {getattr(said, name)}" for name in ("seed", "runs", "hosts"))
    for kind, courses in fitted.healthy.items():
        for name, course in courses.items():
            yield f"\n[healthy.{kind}.{name}]"
            yield from _course(course)
    for failure, signals in fitted.onsets.items():
        yield f"\n[onsets.{failure}]"
        for name, each in signals.items():
            yield f"{name} = {{ earliest_s = {each.earliest_s}, latest_s = {each.latest_s} }}"
    for table, told in (("strengths", fitted.strengths), ("classes", fitted.classes)):
        for name, signals in told.items():
            yield f"\n[{table}.{name}]"
            yield from (f"{signal} = {{ level = {each.level}, rate = {each.rate} }}" for signal, each in signals.items())


def _course(course: Course) -> Iterator[str]:
    yield "values = ["
    for first in range(0, len(course.values), _A_LINE):
        yield "    " + ", ".join(repr(float(value)) for value in course.values[first : first + _A_LINE]) + ","
    yield "]"
    yield f"between = {course.between}"
    yield f"slow = {course.slow}"
    yield f"slow_s = {course.slow_s}"
    yield f"missing = {course.missing}"
