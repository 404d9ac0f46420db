"""Measures an exported model with its baselines beside it, and writes the tables. Runs onnxruntime, scikit-learn and the rules.

Everything is measured on the artefact that ships, through the engine that serves it, on the split that no training saw.
"""

import math
import time
from array import array
from pathlib import Path
from typing import Any, Final

import numpy as np

from orderd.domain.faults import KINDS
from orderd.inference.session import Model
from ordertrainer.dataset import DatasetError, Examples, digest, load_examples
from ordertrainer.evaluation.baselines import fit_baselines
from ordertrainer.evaluation.predictions import by_exported, by_rule_diagnoser
from ordertrainer.evaluation.scores import score
from ordertrainer.imitation.checkpoint import commit
from ordertrainer.imitation.views import check_separate

MODEL: Final = "order model"
RULES: Final = "rules"
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


def measure(model: Model, data: Path, seed: int, *, baselines: bool = True) -> Report:
    """Score a model, the rules and the baselines on the test split of a data directory.

    Args:
        model: loaded.
        data: the data directory.
        seed: of the baselines.
        baselines: also fit logistic regression and extra trees on the train split.

    Returns:
        Plain values, for JSON and for the card.

    Raises:
        DatasetError: the directory cannot be used, or has no test split.
    """
    test = loaded(data, "test")
    diagnosers = {MODEL: score(by_exported(model, test), test), RULES: score(by_rule_diagnoser(test), test)}
    if baselines:
        train = loaded(data, "train")
        check_separate(train=train, test=test)
        diagnosers |= {fitted.name: score(fitted.predict(test), test) for fitted in fit_baselines(train, seed)}
    return {
        "model": {"version": model.manifest.version, "sha256": model.manifest.sha256, "provider": model.provider},
        "data": {"sha256": digest(data), "split": "test", "windows": len(test), "hosts": len({str(h) for h in test.host_id})},
        "commit": commit(),
        "seed": seed,
        "latency_ms": latency_ms(model, seed),
        "diagnosers": diagnosers,
    }


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
    """Return median and 99th percentile of one classification of 16 entities on one thread, in milliseconds."""
    rng = np.random.default_rng(seed)
    kinds = array("q", rng.integers(0, len(KINDS), _LATENCY_ENTITIES).tolist()).tobytes()
    shapes = [tensor.shape for tensor in model.manifest.inputs[:2]]
    host, rows = (rng.random([d for d in shape if isinstance(d, int)], dtype=np.float32) for shape in shapes)
    rows = np.broadcast_to(rows, (_LATENCY_ENTITIES, *rows.shape))
    taken: list[float] = []
    for _ in range(_LATENCY_RUNS):
        began = time.perf_counter()
        model.classify(kinds, host.tobytes(), rows.tobytes())
        taken.append((time.perf_counter() - began) * 1e3)
    p50, p99 = np.percentile(taken, (50, 99))
    return {"entities": _LATENCY_ENTITIES, "p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def summary_table(report: Report) -> str:
    """Return the Markdown table that compares the diagnosers."""
    head = f"| {' | '.join(_SUMMARY_COLUMNS)} |"
    rule = "|---" * len(_SUMMARY_COLUMNS) + "|"
    return "\n".join([head, rule, *(f"| {name} | {_summary(scores)} |" for name, scores in report["diagnosers"].items())])


def _summary(scores: dict[str, Any]) -> str:
    low, high = scores["macro_f1_95"]
    named = scores["named_runs"]
    cells = (
        f"{number(scores['macro_f1'])} ({number(low)} to {number(high)})",
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


def number(value: float, digits: int = 3) -> str:
    """Return a number for a table, a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def plain(value: Any) -> Any:
    """Return the same values with null for NaN, as JSON wants it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
