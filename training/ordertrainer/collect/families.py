"""Which faults a split may be collected from: the locked split of families decides (`ordertrainer.heldout`). Pure.

train  families that are trained
tune   the same and those that choose between trainings
test   the same and those held out for the final test, at other intensities
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ordertrainer.chaos import FaultContract
from ordertrainer.collect.errors import CollectError
from ordertrainer.heldout import HeldOut, Part

PARTS: Final = {
    "train": frozenset({Part.TRAIN}),
    "tune": frozenset({Part.TRAIN, Part.TUNE}),
    "test": frozenset({Part.TRAIN, Part.HELD}),
}


def families(
    faults: Mapping[str, FaultContract], held: HeldOut, split: str, names: Sequence[str] = ()
) -> dict[str, FaultContract]:
    """Return the faults and decoys to collect.

    Args:
        faults: the catalogue.
        held: the locked split.
        split: train, tune or test.
        names: only these; by default all that the split may have. A run of a failure without a name says that something is
            wrong and that it is none of the others, and that is what a person is called for.

    Raises:
        CollectError: one is unknown, or not for this split.
    """
    for name in names:
        if name not in faults:
            raise CollectError(f"--faults names {name!r}; there are: {', '.join(sorted(faults))}")
        if held.part(name) not in PARTS[split]:
            raise CollectError(
                f"{name} is for the part {held.part(name).value!r} of heldout.toml; --split {split} may not have it"
            )
    return {name: faults[name] for name in names or sorted(faults) if held.part(name) in PARTS[split]}
