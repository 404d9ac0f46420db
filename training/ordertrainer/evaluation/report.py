"""Measures an exported model with its baselines beside it, and writes the tables. Runs onnxruntime, scikit-learn and the rules.

Everything is measured on the artefact that ships, through the engine that serves it, on the split that no training saw.
"""

import math
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from orderd.domain.faults import KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from orderd.inference.session import Model
from ordertrainer import heldout
from ordertrainer.chaos import load_faults
from ordertrainer.dataset import DatasetError, Examples, digest, load_examples
from ordertrainer.evaluation.baselines import fit_baselines
from ordertrainer.evaluation.intervals import Score, number
from ordertrainer.evaluation.parts import parts, select
from ordertrainer.evaluation.predictions import Predictions, by_exported, by_rule_diagnoser
from ordertrainer.evaluation.schemas import check_one_schema
from ordertrainer.evaluation.scores import headline, score
from ordertrainer.imitation.checkpoint import commit
from ordertrainer.imitation.views import check_separate

MODEL: Final = "order model"
RULES: Final = "rules"
FAULTS: Final = Path(__file__).parents[3] / "playbooks" / "faults"
_LATENCY_RUNS: Final = 300
_LATENCY_ENTITIES: Final = 16

_SUMMARY_COLUMNS: Final = (
    "diagnoser",
    "macro-F1 (95 %)",
    "right entity",
    "first sample",
    "runs named right",
    "false alarms / quiet h",
    "on decoys / h",
    "calibration error",
)

Report = dict[str, Any]
Tick = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order model that can be asked.

    Attributes:
        about: version, sha256 and provider; plain values.
        ask: returns what it says of examples.
        latency_ms: how long it takes; empty where that says nothing about what ships.
    """

    about: Mapping[str, Any]
    ask: Callable[[Examples], Predictions]
    latency_ms: Mapping[str, float]


def asked(model: Model, seed: int) -> Asked:
    """Return an exported model, measured through the engine that serves it.

    Args:
        model: loaded.
        seed: of the windows its latency is measured on.
    """
    about = {"version": model.manifest.version, "sha256": model.manifest.sha256, "provider": model.provider}
    return Asked(about=about, ask=lambda examples: by_exported(model, examples), latency_ms=latency_ms(model, seed))


def measure(
    model: Model | Asked, data: Path, seed: int, *, baselines: bool = True, tick: Tick = lambda _what, _share: None
) -> Report:
    """Score a model, the rules and the baselines on the test split of a data directory.

    Args:
        model: loaded.
        data: the data directory.
        seed: of the baselines.
        baselines: also fit logistic regression and extra trees on the train split.
        tick: told what is being done, and which share of all is done.

    Returns:
        Plain values, for JSON and for the card.

    Raises:
        DatasetError: the directory cannot be used, mixes schemas, or has no test split.
    """
    model = asked(model, seed) if isinstance(model, Model) else model
    check_one_schema(data)
    tick("reading", 0.0)
    test = loaded(data, "test")
    tick(MODEL, 0.2)
    said = {MODEL: model.ask(test)}
    tick(RULES, 0.4)
    said[RULES] = by_rule_diagnoser(test)
    if baselines:
        tick("baselines", 0.6)
        train = loaded(data, "train")
        check_separate(train=train, test=test)
        said |= {fitted.name: fitted.predict(test) for fitted in fit_baselines(train, seed)}
    tick("scores", 0.8)
    return {
        "model": dict(model.about),
        "data": {"sha256": digest(data), "split": "test", "windows": len(test), "hosts": len({str(h) for h in test.host_id})},
        "commit": commit(),
        "seed": seed,
        "latency_ms": dict(model.latency_ms),
        "diagnosers": {name: score(each, test) for name, each in said.items()},
        "parts": _parts(said, test),
    }


def _parts(said: Mapping[str, Predictions], test: Examples) -> dict[str, dict[str, Any]]:
    """Return headline figures of each part of the test split, by what the training had seen of its faults."""
    found: dict[str, dict[str, Any]] = {}
    for part, mask in parts(test, heldout.load(), load_faults(FAULTS).faults).items():
        mine = select(test, mask)
        found[part] = {
            name: {
                "runs": len(np.unique(mine.run_id)),
                **headline(Predictions(failure=each.failure[mask], wrong=each.wrong[mask]), mine),
            }
            for name, each in said.items()
        }
    return found


def loaded(data: Path, split: str) -> Examples:
    """Return one split.

    Raises:
        DatasetError: the directory cannot be used, or the split is empty.
    """
    examples = load_examples(data, split)
    if not len(examples):
        msg = f"{data}: no judged windows in the split {split!r}; collect more drills"
        raise DatasetError(msg)
    return examples


def latency_ms(model: Model, seed: int) -> dict[str, float]:
    """Return median and 99th percentile of one classification of 16 entities on one thread, in milliseconds.

    ``cpu_p99`` is of the thread's own processor time: on a busy machine the clock on the wall measures the others.
    """
    rng = np.random.default_rng(seed)
    kinds = array("q", rng.integers(0, len(KINDS), _LATENCY_ENTITIES).tolist()).tobytes()
    # Of today's signals: a model of an older schema takes its own out of them, as it does on a host.
    host = rng.random((len(SLOT_AGES_S), len(HOST_SIGNALS)), dtype=np.float32)
    rows = rng.random((_LATENCY_ENTITIES, len(SLOT_AGES_S), len(ENTITY_SIGNALS)), dtype=np.float32)
    taken: list[tuple[float, float]] = []
    for _ in range(_LATENCY_RUNS):
        began, cpu = time.perf_counter(), time.thread_time()
        model.classify(kinds, host.tobytes(), rows.tobytes())
        taken.append(((time.perf_counter() - began) * 1e3, (time.thread_time() - cpu) * 1e3))
    wall, cpu_p99 = np.array(taken)[:, 0], float(np.percentile(np.array(taken)[:, 1], 99))
    p50, p99 = np.percentile(wall, (50, 99))
    return {"entities": _LATENCY_ENTITIES, "p50": round(float(p50), 3), "p99": round(float(p99), 3), "cpu_p99": round(cpu_p99, 3)}


def summary_table(report: Report) -> str:
    """Return the Markdown table that compares the diagnosers."""
    head = f"| {' | '.join(_SUMMARY_COLUMNS)} |"
    rule = "|---" * len(_SUMMARY_COLUMNS) + "|"
    lines = [head, rule, *(f"| {name} | {_summary(scores)} |" for name, scores in report["diagnosers"].items())]
    ahead = _not_beaten(report["diagnosers"])
    return "\n".join([*lines, "", f"The order model does not beat {ahead}."] if ahead else lines)


_JUDGED: Final[Mapping[str, tuple[Callable[[Mapping[str, Any]], float], bool]]] = {
    "macro-F1": (lambda said: said["macro_f1"], True),
    "right entity": (lambda said: said["right_entity"], True),
    "first sample": (lambda said: said["first_sample"], True),
    "runs named right": (lambda said: said["named_runs"]["right_first"], True),
    "false alarms": (lambda said: said["false_alarms"]["quiet"]["per_hour"], False),
    "alarms on decoys": (lambda said: said["false_alarms"]["decoys"]["per_hour"], False),
    "calibration error": (lambda said: said["calibration_error"], False),
}
"""Columns of the summary: what is compared, and whether more is better."""


def _not_beaten(diagnosers: Mapping[str, Mapping[str, Any]]) -> str:
    """Say which peers are better than the order model, or as good, and in what."""
    own, found = diagnosers[MODEL], list[str]()
    for name, said in diagnosers.items():
        judged = [(what, value(said), value(own), more) for what, (value, more) in _JUDGED.items()]
        ahead = [what for what, theirs, mine, more in judged if (theirs >= mine if more else theirs <= mine)]
        if name != MODEL and ahead:
            found.append(f"{name} in {', '.join(ahead)}")
    return "; ".join(found)


def _summary(scores: dict[str, Any]) -> str:
    named = scores["named_runs"]
    cells = (
        _with_interval(scores, "macro_f1"),
        number(scores["right_entity"]),
        number(scores["first_sample"]),
        f"{number(named['right_first'])} of {named['runs']}, median {number(named['seconds_median'], 1)} s",
        _alarms(scores["false_alarms"]["quiet"]),
        _alarms(scores["false_alarms"]["decoys"]),
        number(scores["calibration_error"]),
    )
    return " | ".join(cells)


def _alarms(rate: dict[str, float]) -> str:
    return f"{number(rate['per_hour'], 2)} ({rate['alarms']} in {number(rate['hours'], 2)} h)"


def part_table(report: Report) -> str:
    """Return the Markdown table of the parts of the test split."""
    lines = ["| part | diagnoser | runs | macro-F1 (95 %) | right entity (95 %) |", "|---|---|---|---|---|"]
    for part, said in report["parts"].items():
        for name, scores in said.items():
            cells = (_with_interval(scores, key) + _mark(scores, said[MODEL], key, name) for key in ("macro_f1", "right_entity"))
            lines.append(f"| {part} | {name} | {scores['runs']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "\\* the order model is not better"])


def _mark(scores: Mapping[str, Any], own: Mapping[str, Any], key: str, name: str) -> str:
    return " *" if name != MODEL and scores[key] >= own[key] else ""


def _with_interval(scores: Mapping[str, Any], key: str) -> str:
    low, high = scores[f"{key}_95"]
    return f"{number(scores[key])} ({number(low)} to {number(high)})"


def class_table(scores: dict[str, Any]) -> str:
    """Return the Markdown table of one diagnoser's classes."""
    lines = ["| class | precision | recall | F1 | verdicts |", "|---|---|---|---|---|"]
    for name, row in scores["classes"].items():
        lines.append(
            f"| {name} | {number(row['precision'])} | {number(row['recall'])} | {number(row['f1'])} | {row['verdicts']} |"
        )
    return "\n".join(lines)


def fault_table(report: Report) -> str:
    """Return the Markdown table of recall per injected fault, the model beside the rules."""
    lines = ["| fault | runs | failing verdicts | recall: order model | recall: rules |", "|---|---|---|---|---|"]
    ruled = report["diagnosers"][RULES]["faults"]
    for name, row in report["diagnosers"][MODEL]["faults"].items():
        lines.append(
            f"| {name} | {row['runs']} | {row['verdicts']} | {number(row['recall'])} | {number(ruled[name]['recall'])} |"
        )
    return "\n".join(lines)


def plain(value: Any) -> Any:
    """Return the same values with null for NaN and scores as their parts, as JSON wants it."""
    if isinstance(value, Score):
        return plain(value.plain())
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
