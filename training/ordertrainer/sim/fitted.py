"""What traces of disposable hosts taught the simulator: ``fitted.toml``, written by `ordertrainer calibrate`. Reads that file.

    provenance  of which data, by which command
    healthy     by kind of entity (or ``host``) and signal: what a host in order measures, and how that moves in time
    onsets      by failure class and signal: how long after a landing orderd's own samples show it
    strengths   by fault and signal: how much stronger or faster than contract and class say
    classes     the same by failure class, for signals of what fails, where nothing is told of the fault itself

What is not told here is as `healthy` and the contracts have it. What is told of a class holds for faults too that nobody may fit
to: it is a matter of how orderd looks, not of the fault.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from orderd.domain.faults import EntityKind, Failure
from orderd.domain.signals import ENTITY_INDEX, HOST_INDEX

FILE: Final = Path(__file__).with_name("fitted.toml")
HOST: Final = "host_signals"
"""Stands beside the kinds of entities: what is measured of the host itself."""
KNOTS: Final = 25
"""Values of a course, at KNOTS places of a normal distribution that are KNOT_Z apart, the middle one being its median."""
KNOT_Z: Final = 0.25
KNOT_Z_MAX: Final = KNOT_Z * (KNOTS - 1) / 2

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=3600.0)]
Factor = Annotated[float, Meta(ge=0.0, le=1000.0)]


class FittedError(ValueError):
    """The file of fitted values cannot be used; the message names file, key and remedy."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the values come from.

    Attributes:
        data: sha256 of the runs that were fitted to (`ordertrainer.calibrate.recording.fingerprint`).
        command: what was typed.
        commit: of the code that fitted.
        seed: of what was drawn on the way.
        runs, hosts: that were fitted to, all of the split ``train``.
    """

    data: str
    command: str
    commit: str
    seed: int
    runs: int
    hosts: int


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one signal measures in order.

    A value is that of the knots at z, which is one part the entity's own, one that wanders and one that is new each second.

    Attributes:
        values: KNOTS, never falling.
        between: share of the variance of z that is between entities of different hosts or times.
        slow: share that wanders within ``slow_s``; what is left is new each second.
        slow_s: correlation time.
        missing: share of entities (or hosts) that cannot measure it.
    """

    values: Annotated[tuple[float, ...], Meta(min_length=KNOTS, max_length=KNOTS)]
    between: Share
    slow: Share
    slow_s: Annotated[float, Meta(ge=1.0, le=3600.0)]
    missing: Share = 0.0

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: values fall, or shares add up to more than 1.
        """
        if list(self.values) != sorted(self.values):
            raise ValueError("values: must never fall from one to the next")
        if self.between + self.slow > 1.0 + 1e-6:
            raise ValueError(f"between {self.between:g} and slow {self.slow:g} add up to more than 1")


class Onset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when on a signal shows a fault: evenly between two times after its landing."""

    earliest_s: Seconds
    latest_s: Seconds


class Strength(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Factors of what contract and class say of the level, and of the rate of growth."""

    level: Factor = 1.0
    rate: Factor = 1.0


class Fitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; tables of tables by name."""

    provenance: Provenance
    healthy: dict[str, dict[str, Course]] = {}
    onsets: dict[str, dict[str, Onset]] = {}
    strengths: dict[str, dict[str, Strength]] = {}
    classes: dict[str, dict[str, Strength]] = {}

    def __post_init__(self) -> None:
        """Refuse names that nobody measures.

        Raises:
            ValueError: names the first one.
        """
        for kind, courses in self.healthy.items():
            if kind != HOST:
                EntityKind(kind)
            known = HOST_INDEX if kind == HOST else ENTITY_INDEX
            if unknown := set(courses) - set(known):
                raise ValueError(f"healthy.{kind}.{min(unknown)}: no such signal")
        for failure in (*self.onsets, *self.classes):
            Failure(failure)


def read(file: Path = FILE) -> Fitted:
    """Return what a file says.

    Raises:
        FittedError: it cannot be read, or says what makes no sense.
    """
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Fitted)
    except OSError as error:
        raise FittedError(f"{file}: {error.strerror}; `ordertrainer calibrate` writes one") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise FittedError(f"{file}: {error}; restore it, or fit anew with `ordertrainer calibrate`") from error
