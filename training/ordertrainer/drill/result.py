"""`drill.json`: what a drill found, in the shape programs may rely on, and the folder it is written to.

Touches: out/drill. The shape is published as tests/contract/drill.schema.json, which a test holds to this file.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

VERSION = 1

Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
Outcome = Literal["repaired", "left_alone", "escalated", "failed", "void", "not_seen"]
Seconds = Annotated[
    float | None, Meta(description="Seconds from the landing of the fault, or of the decoy; null when it did not happen.")
]


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts: frozen, unknown keys refused."""


class Model(Shape, frozen=True):
    """The order model orderd had loaded; empty strings without one."""

    version: str = ""
    sha256: str = ""
    provider: str = ""


class Intensity(Shape, frozen=True):
    """How hard the fault was, in the fault's own unit."""

    value: float
    unit: str


class Diagnosis(Shape, frozen=True):
    """What orderd said was wrong, and which of its two diagnosers said so."""

    failure: str
    entity: Annotated[str, Meta(description="kind:key, for example unit:nginx.service")]
    probability: Ratio
    source: Literal["model", "rules"]


class Repair(Shape, frozen=True):
    """The repair orderd chose."""

    name: str
    target: Annotated[str, Meta(description="kind:key")]


class Times(Shape, frozen=True):
    """Measured on the monotonic clock from the moment an observer outside orderd saw the fault land."""

    detected: Seconds = None
    decided: Seconds = None
    repaired: Seconds = None
    healthy: Annotated[
        float | None, Meta(description="Seconds until the observer's probes were good and stayed good; null when they never did.")
    ] = None


class Run(Shape, frozen=True):
    """One fault or decoy, and what came of it."""

    fault: str
    target: Annotated[str, Meta(description="kind:key; of a process that never came to be, only the kind")]
    intensity: Intensity | None
    decoy: Annotated[bool, Meta(description="Looks broken and is not: the right thing to do is nothing.")]
    landed: Annotated[bool, Meta(description="An observer outside orderd saw it happen.")]
    diagnosis: Diagnosis | None
    repair: Repair | None
    seconds: Times
    outcome: Outcome
    reason: Annotated[str, Meta(description="Why a run is void or failed, one sentence; empty otherwise.")]
    touched_healthy: Annotated[bool, Meta(description="Something that was not broken was repaired, restarted or stopped.")]
    residue: Annotated[list[str], Meta(description="What was left on the host after repair and revert; empty when nothing was.")]
    touched: Annotated[
        list[str] | UnsetType,
        Meta(description="What was touched that was not broken, each in words; absent when nothing was."),
    ] = UNSET
    right_end: Annotated[
        Literal["escalated"] | UnsetType,
        Meta(description="The right outcome where it is neither repaired nor left_alone: only a person can help."),
    ] = UNSET
    host: Annotated[str | UnsetType, Meta(description="Where, when the drill had several hosts.")] = UNSET
    beside: Annotated[list[str] | UnsetType, Meta(description="Faults that were injected together with it.")] = UNSET


class Spread(Shape, frozen=True):
    """Median and maximum over the repaired runs; null without one."""

    median: float | None
    maximum: float | None


class Spreads(Shape, frozen=True):
    """How long each step took, over the repaired runs."""

    detected: Spread
    decided: Spread
    repaired: Spread
    healthy: Spread


class Counts(Shape, frozen=True):
    """How many runs ended how; the outcomes add up to `runs`."""

    runs: int
    repaired: int
    left_alone: int
    escalated: int
    failed: int
    void: int
    landed: int
    by_model: Annotated[int, Meta(description="Runs whose diagnosis was the order model's.")]
    by_rules: Annotated[int, Meta(description="Runs whose diagnosis was the rules'.")]
    touched_healthy: int
    not_seen: Annotated[
        int | UnsetType,
        Meta(description="Runs whose fault landed, has no name orderd knows, and was not noticed: no success. Absent: none."),
    ] = UNSET


class Summary(Shape, frozen=True):
    """The drill in figures."""

    counts: Counts
    seconds: Spreads


class Drill(Shape, frozen=True):
    """Everything a drill found."""

    version: Annotated[int, Meta(description="Of this shape.", ge=VERSION, le=VERSION)]
    seed: int
    host: str
    model: Model
    runs: list[Run]
    summary: Summary
    battery: Annotated[str | UnsetType, Meta(description="Its name; absent for the first one.")] = UNSET
    hosts: Annotated[list[str] | UnsetType, Meta(description="Of a drill on several hosts.")] = UNSET


def ended_well(run: Run) -> bool:
    """Tell whether a run ended as it should: repaired, a decoy left alone, or a person called where only a person can help.

    A repair that was proved is right where a person was expected, too.
    """
    if run.outcome == "repaired":
        return not run.decoy
    return run.outcome == ("left_alone" if run.decoy else run.right_end)


def passed(drill: Drill) -> bool:
    """Tell whether every run that landed ended well, and nothing healthy was touched.

    A drill in which nothing landed proves nothing, so it does not pass. Nor does it by what orderd did not see: such runs count
    neither for nor against it, and are told apart.
    """
    landed = [run for run in drill.runs if run.landed and run.outcome != "not_seen"]
    good = all(ended_well(run) and not run.touched_healthy for run in landed)
    return bool(landed) and good and all(run.outcome == "void" for run in drill.runs if not run.landed)


def summary(runs: Sequence[Run]) -> Summary:
    """Return the figures of some runs."""
    outcomes = [run.outcome for run in runs]
    sources = [run.diagnosis.source for run in runs if run.diagnosis]
    counts = Counts(
        runs=len(runs),
        repaired=outcomes.count("repaired"),
        left_alone=outcomes.count("left_alone"),
        escalated=outcomes.count("escalated"),
        failed=outcomes.count("failed"),
        void=outcomes.count("void"),
        landed=sum(run.landed for run in runs),
        by_model=sources.count("model"),
        by_rules=sources.count("rules"),
        touched_healthy=sum(run.touched_healthy for run in runs),
        not_seen=outcomes.count("not_seen") or UNSET,
    )
    return Summary(counts=counts, seconds=Spreads(**{step: _spread(runs, step) for step in Times.__struct_fields__}))


def _spread(runs: Sequence[Run], step: str) -> Spread:
    values = [seconds for run in runs if run.outcome == "repaired" and (seconds := getattr(run.seconds, step)) is not None]
    if not values:
        return Spread(median=None, maximum=None)
    return Spread(median=round(statistics.median(values), 3), maximum=round(max(values), 3))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `drill.json`."""
    (document,), components = msgspec.json.schema_components([Drill], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drill.json: what a drill found",
        **document,
        "$defs": components,
    }


def write(directory: Path, name: str, content: bytes) -> Path:
    """Write a file so that a reader sees all of it or none."""
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / f".{name}.new"
    fresh.write_bytes(content)
    fresh.replace(directory / name)
    return directory / name


def write_drill(directory: Path, drill: Drill) -> Path:
    """Write `drill.json` into a drill's folder."""
    return write(directory, "drill.json", msgspec.json.format(msgspec.json.encode(drill)) + b"\n")


def point_latest(directory: Path) -> Path:
    """Let `latest`, beside a drill's folder, point to it."""
    fresh, latest = directory.with_name(f".latest.{os.getpid()}"), directory.with_name("latest")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(directory.name, target_is_directory=True)
    fresh.replace(latest)
    return latest
