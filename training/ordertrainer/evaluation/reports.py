"""Reports of other verbs, told apart by what is in them: nobody has to say which file is which. Reads files.

    exam          JSON of `ordertrainer exam`: ``suites``
    confidence    JSON of `ordertrainer calibrate-confidence`: ``coverage``
    calibrate     JSON of `ordertrainer calibrate`: ``gap``
    evolve        JSON of `ordertrainer evolve`: ``fresh_chaos`` or ``cross_play``; several stand beside each other
    pretrain      JSON of `ordertrainer pretrain`: ``foreign`` and ``novelty``
    ablations     lines with ``arm`` and ``seed`` (`ablations`)
    history       lines with ``epoch`` or ``iteration``, as every training writes them

A folder is searched for what is known; a file that is named has to be.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ordertrainer.evaluation.ablations import read_lines, summary

LINES: Final = ".jsonl"
STEPS: Final = frozenset({"epoch", "iteration"})
"""What a line of a training's history counts by."""
_BY_KEYS: Final = (
    ("exam", frozenset({"suites", "hosts"})),
    ("confidence", frozenset({"coverage", "alpha"})),
    ("calibrate", frozenset({"gap", "difficulty"})),
    ("pretrain", frozenset({"foreign", "novelty"})),
    ("evolve", frozenset({"history", "fresh_chaos"})),
    ("evolve", frozenset({"history", "cross_play"})),
)


class ReportError(Exception):
    """A report of another verb cannot be used; the message names the file, what is wrong and what is known."""


def read_reports(paths: Iterable[Path]) -> dict[str, Any]:
    """Return reports by kind; the histories of several trainings stand beside each other by folder.

    Args:
        paths: of files, or of folders whose .json and .jsonl files are read where they are known.

    Raises:
        ReportError: a file cannot be read or is of no known kind.
        AblationError: a file of ablations is damaged.
    """
    found: dict[str, Any] = {}
    for path in paths:
        for file in _files(path):
            kind, content = _read(file)
            if kind is None and path.is_dir():
                continue
            if kind is None:
                known = ", ".join(name for name, _ in _BY_KEYS)
                raise ReportError(f"{file}: a report of no known kind; known are: {known}, ablations, history")
            if kind == "history":
                found.setdefault(kind, {})[file.parent.name] = content
            elif kind == "evolve":
                found.setdefault(kind, []).append(content)
            else:
                found[kind] = content
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in {".json", LINES})


def _read(file: Path) -> tuple[str | None, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        content = [json.loads(line) for line in text.splitlines() if line.strip()] if file.suffix == LINES else json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{file}: {error}; name the JSON that another verb has written") from error
    except json.JSONDecodeError as error:
        raise ReportError(f"{file}: not JSON: {error}; name the JSON that another verb has written") from error
    if isinstance(content, list):
        return _of_lines(file, content)
    if not isinstance(content, Mapping):
        return None, content
    return next((name for name, keys in _BY_KEYS if keys <= set(content)), None), content


def _of_lines(file: Path, lines: list[Any]) -> tuple[str | None, Any]:
    first = lines[0] if lines and isinstance(lines[0], Mapping) else {}
    if "arm" in first and "seed" in first:
        return "ablations", summary(read_lines(file))
    return ("history", lines) if STEPS & set(first) else (None, lines)
