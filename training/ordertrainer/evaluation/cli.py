"""`ordertrainer evaluate`: what a model folder is worth on drills it never saw. Reads a model and a data directory."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orderd.errors import ModelRefusedError
from orderd.inference.admission import admit
from orderd.inference.manifest import read_package
from orderd.inference.session import Model
from ordertrainer.dataset import DatasetError
from ordertrainer.evaluation.report import MODEL, class_table, fault_table, measure, plain, summary_table


def evaluate(
    *,
    model: Annotated[Path, typer.Option(help="Model folder, for example models/order/current.")],
    data: Annotated[Path, typer.Option(help="Data directory of `ordertrainer collect`.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    seed: Annotated[int, typer.Option(help="Of the baselines.")] = 0,
    baselines: Annotated[bool, typer.Option(help="Fit logistic regression and extra trees beside it.")] = True,
) -> None:
    """Score a model, the rules and the baselines on the test split."""
    try:
        package = read_package(model)
        admit(package)
        report = measure(Model(package, provider="cpu"), data, seed, baselines=baselines)
    except (ModelRefusedError, DatasetError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(plain(report), indent=2) + "\n", encoding="utf-8")
    latency = report["latency_ms"]
    typer.echo(f"order {report['model']['version']} on {report['data']['windows']} windows of the test split\n")
    typer.echo(f"{summary_table(report)}\n\n{class_table(report['diagnosers'][MODEL])}\n\n{fault_table(report)}\n")
    typer.echo(f"{latency['entities']} entities: median {latency['p50']} ms, p99 {latency['p99']} ms, one thread")
