"""Everything that one call of `ordertrainer evaluate` was asked for, measured and put side by side. Runs onnxruntime or torch."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from orderd.inference.admission import admit
from orderd.inference.manifest import read_package
from orderd.inference.session import Model
from ordertrainer import heldout
from ordertrainer.chaos import load_faults
from ordertrainer.evaluation.ablations import Line, ablation_table, append_line, read_lines, summary
from ordertrainer.evaluation.external.report import examine
from ordertrainer.evaluation.external.series import read_series
from ordertrainer.evaluation.external.tables import external_tables
from ordertrainer.evaluation.goals import goals_table
from ordertrainer.evaluation.predictions import by_network
from ordertrainer.evaluation.real.runs import Known, newest, read_runs
from ordertrainer.evaluation.real.scores import measure_real
from ordertrainer.evaluation.real.tables import real_tables
from ordertrainer.evaluation.report import (
    FAULTS,
    MODEL,
    Asked,
    asked,
    class_table,
    fault_table,
    measure,
    part_table,
    plain,
    summary_table,
)  # fmt: skip
from ordertrainer.evaluation.reports import read_reports
from ordertrainer.evaluation.scoretable import rows
from ordertrainer.evaluation.wanted import DATA, Wanted
from ordertrainer.imitation.checkpoint import commit, drills, net_of, read
from ordertrainer.pretrain.checkpoint import net_of as next_net_of
from ordertrainer.pretrain.checkpoint import read_pretrained

VERSION: Final = 1
"""Of the shape of evaluation.json."""

Tick = Callable[[str, float], None]
Found = dict[str, Any]


def carry_out(wanted: Wanted, begin: Callable[[str], Tick]) -> Found:
    """Measure what is wanted; everything that can be refused is read before anything is computed.

    Args:
        wanted: what.
        begin: called with the name of each part of the work; returns what is told of its progress.

    Returns:
        By part: ``test``, ``real``, ``external``, and the reports of other verbs; ``table`` holds rows.

    Raises:
        AblationError, CheckpointError, DatasetError, DrillFileError, ExternalError, ModelRefusedError, ReportError, ValueError:
            something that was named cannot be used.
    """
    data = wanted.data or (DATA if DATA.is_dir() and not (wanted.real or wanted.external) else None)
    series = [read_series(path, allow_missing=wanted.allow_missing) for path in wanted.external]
    surprised = None if wanted.pretrained is None else next_net_of(read_pretrained(wanted.pretrained))
    found: Found = read_reports([*([wanted.ablations] if wanted.ablations.exists() else []), *wanted.reports])
    if wanted.real:
        held = heldout.load()
        known = Known(held=held, faults=load_faults(FAULTS).faults)
        found["real"] = measure_real(read_runs(wanted.drills or [newest()], known), held)
    if data is not None or series:
        model = _model(wanted)
        if data is not None:
            found["test"] = measure(model, data, wanted.seed, baselines=wanted.baselines, tick=begin(f"test split of {data}"))
        how: dict[str, Any] = {"surprised": surprised, "far": wanted.far, "seed": wanted.seed}
        found["external"] = [examine(each, model.ask, **how, tick=begin(each.name)) for each in series]
    if wanted.arm:
        found["ablations"] = _noted(wanted, found)
    return {"version": VERSION, "commit": commit(), "seed": wanted.seed, **found, "table": rows(found)}


def _model(wanted: Wanted) -> Asked:
    if wanted.checkpoint is None:
        package = read_package(wanted.model)
        admit(package)
        return asked(Model(package, provider="cpu"), wanted.seed)
    torch.set_num_threads(1)
    net = net_of(read(wanted.checkpoint))
    about = {"version": str(wanted.checkpoint), "sha256": hashlib.sha256(wanted.checkpoint.read_bytes()).hexdigest()}
    # How long torch takes says nothing about what ships.
    return Asked(about={**about, "provider": "torch"}, ask=lambda examples: by_network(net, examples), latency_ms={})


def _noted(wanted: Wanted, found: Found) -> dict[str, Any]:
    """Append the scores of this checkpoint as one arm of an ablation, and return all arms noted so far."""
    assert wanted.checkpoint is not None
    if "test" not in found:
        raise ValueError(f"--arm {wanted.arm!r} needs --data, on whose test split all arms are examined")
    own = found["test"]["diagnosers"][MODEL]
    scores = {name: plain(own[name]) for name in ("macro_f1", "right_entity", "first_sample", "calibration_error", "wrong_auc")}
    alarms = {f"false_alarms_per_h_{where}": plain(told["per_hour"]) for where, told in own["false_alarms"].items()}
    content = read(wanted.checkpoint)
    line = Line(
        arm=wanted.arm,
        seed=int(content["seed"]),
        drills=drills(content, wanted.checkpoint),
        exam=found["test"]["data"]["sha256"],
        scores=scores | alarms,
        commit=found["test"]["commit"],
    )
    append_line(wanted.ablations, line)
    return summary(read_lines(wanted.ablations))


def plain_values(found: Found) -> Any:
    """Return everything as JSON wants it."""
    return plain({**found, "table": [row.plain() for row in found["table"]]})


def tables(found: Found) -> list[str]:
    """Return everything for people, the score table first: Markdown."""
    parts = [f"# Score table\n\n{goals_table(found['table'])}"]
    if "test" in found:
        parts.append(_test_tables(found["test"]))
    if "real" in found:
        parts.append(real_tables(found["real"]))
    parts += [external_tables(told) for told in found.get("external", [])]
    if "ablations" in found:
        parts.append(f"## Ablations\n\n{ablation_table(found['ablations'])}")
    return parts


def _test_tables(test: dict[str, Any]) -> str:
    data, latency = test["data"], test["latency_ms"]
    head = f"## Order {test['model']['version']} on {data['windows']} windows of the test split, {data['hosts']} host(s)"
    parts = [head, summary_table(test), part_table(test), class_table(test["diagnosers"][MODEL]), fault_table(test)]
    if latency:
        parts.append(f"{latency['entities']} entities: median {latency['p50']} ms, p99 {latency['p99']} ms, one thread")
    return "\n\n".join(parts)


def pictures(found: Found, folder: Path) -> list[Path]:
    """Draw what there are figures for, and return the files."""
    from ordertrainer.evaluation.plots.all import draw_all  # noqa: PLC0415  matplotlib is wanted by nobody else

    return draw_all(plain_values(found), folder)
