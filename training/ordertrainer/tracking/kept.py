"""Which run a training's folder is, between its interruptions. Reads and writes OUT/mlflow.json, reads OUT/history.jsonl."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ordertrainer.files import write_json

KEPT: Final = "mlflow.json"
HISTORY: Final = "history.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A run that was begun.

    Attributes:
        uri: of its server.
        experiment: it is filed under.
        run_id: of it.
        told_to: the last epoch or iteration that the server has; -1: none.
    """

    uri: str
    experiment: str
    run_id: str
    told_to: int = -1


def read(out: Path, uri: str, experiment: str) -> Kept:
    """Return the run of a folder; one without an id where there is none, or only one of another server or experiment."""
    none = Kept(uri=uri, experiment=experiment, run_id="")
    try:
        kept = Kept(**json.loads((out / KEPT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return none  # whatever stands there is none of ours: a new run loses nothing
    return kept if (kept.uri, kept.experiment) == (uri, experiment) else none


def write(out: Path, kept: Kept) -> None:
    """Keep it; replaces the file in one step."""
    write_json(out / KEPT, asdict(kept))


def history(out: Path) -> list[Mapping[str, Any]]:
    """Return every whole line of a training's history so far."""
    try:
        text = (out / HISTORY).read_text(encoding="utf-8")
    except OSError:
        return []
    lines: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # the last one may have been cut off
    return lines
