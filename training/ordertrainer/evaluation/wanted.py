"""What one call of `ordertrainer evaluate` is asked for. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATA: Final = Path("out/data")
"""Where recorded drills are looked for when nobody names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured, and where it goes.

    Attributes:
        model: folder of an exported model.
        checkpoint: asked instead of it.
        data: directory of recorded drills; None: DATA, where nothing else is asked for.
        drills: results of real drills; empty: the newest.
        real: score real drills.
        external: foreign series.
        pretrained: weights whose surprise is scored on foreign series; None: none are.
        allow_missing: take NaN in them for not measured.
        far: share of their quiet samples that may be called wrong.
        reports: of other verbs, files or folders.
        baselines: fit classifiers beside it.
        seed: of what is fitted.
        json_file: for every figure.
        plots: folder for pictures.
        arm: name of an arm of an ablation to note the scores as; empty: none.
        ablations: file it is noted in.
    """

    model: Path
    checkpoint: Path | None
    data: Path | None
    drills: Sequence[Path]
    real: bool
    external: Sequence[Path]
    pretrained: Path | None
    allow_missing: bool
    far: float
    reports: Sequence[Path]
    baselines: bool
    seed: int
    json_file: Path | None
    plots: Path | None
    arm: str
    ablations: Path
