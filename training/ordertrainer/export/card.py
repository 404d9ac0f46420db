"""The card of a model: what it is, where it came from, what it is worth, each figure with the command that produced it. Pure."""

from typing import Any, Final

from ordertrainer.evaluation.report import MODEL, Report, class_table, fault_table, number, summary_table
from ordertrainer.export.folder import Built
from ordertrainer.imitation.train import NOTHING
from ordertrainer.nets.order import OrderNet, parameter_count

_PURPOSE: Final = """\
Names what is failing on a host: one probability per failure class and entity, and P(anything wrong). Input: the window of
`orderd.domain.window`, measurements and kinds only, never names. Output: `failure`, calibrated, and `wrong`."""

_NOT_EVALUATED: Final = "Not evaluated: exported without `--data`. Nothing is known about its worth, so do not release it."

_HOW_TO_READ: Final = """\
Macro-F1 is the mean over the failure classes that occur; its interval is a bootstrap over runs. First sample: share of runs named
in the first window in which the failure can be seen. Runs and alarms count diagnoses of confidence 0.8 and more. The rules stand
beside the model in orderd and decide where it is unsure."""

_LIMITS: Final = """\
## Limits

Labels come from disposable hosts with nginx, redis, PostgreSQL and a worker. Failures outside the classes above are not named.
The rules stay the floor: the model adds and sharpens diagnoses and never silences a plain symptom."""


def card(built: Built, net: OrderNet, content: dict[str, Any], report: Report | None) -> str:
    """Return the text of card.md.

    Args:
        built: graph, manifest and parity.
        net: the network.
        content: of the checkpoint.
        report: figures on the test split, None when it was not evaluated.
    """
    manifest = built.package.manifest
    parts = [
        f"# order {manifest.version}",
        _PURPOSE,
        _origin(built, net, content),
        _training(content),
        "## What it is worth",
        _NOT_EVALUATED if report is None else _figures(manifest.version, report),
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def _origin(built: Built, net: OrderNet, content: dict[str, Any]) -> str:
    manifest = built.package.manifest
    return "\n".join(
        [
            "| what | value |",
            "|---|---|",
            f"| model.onnx | {len(built.package.model)} bytes, sha256 `{manifest.sha256}` |",
            f"| created | {manifest.created} |",
            f"| schema | `{manifest.schema_digest}` |",
            f"| parameters | {parameter_count(net)} |",
            f"| training data | sha256 `{content['data_digest']}` (`ordertrainer dataset DATA`) |",
            f"| training commit, seed | `{content['commit']}`, {content['seed']} |",
            f"| torch against onnxruntime | largest difference {built.parity:.1e} over {built.cases} random windows |",
        ]
    )


def _training(content: dict[str, Any]) -> str:
    tune = content["tune"]
    untrained = ", ".join(content["never_trained"]) or "none"
    result = (
        f"Best epoch {content['epoch']}: tune loss {tune['tune_loss']:.4f}, tune macro-F1 {number(tune['tune_macro_f1'])}; "
        f"temperature {content['temperature']:.2f}, fitted on the tune split. "
        f"Classes without a training example: {untrained}."
    )
    made = (
        "\n".join(f"    {command}" for command in content.get("commands", [])) or "Its checkpoint does not say by which commands."
    )
    return "\n\n".join(("## Training", made, _sources(content), result))


def _sources(content: dict[str, Any]) -> str:
    recorded = "Supervised, on drills whose fault was seen to land"
    simulated, drilled = content["simulated"], content.get("drilled", NOTHING)
    if not simulated["windows"] and not drilled["windows"]:
        return f"{recorded}."
    beside = [f"{simulated['windows']} windows of the simulator, {simulated['share']:.0%} of what each step is shown"]
    if drilled["windows"]:
        beside.append(f"{drilled['windows']} of drills in which chaos met this model as it was before, {drilled['share']:.0%}")
    return (
        f"{recorded}, and beside them {', and '.join(beside)}. Families and intensities that are held out "
        "(`training/ordertrainer/heldout.toml`) are in none of them."
    )


def _figures(version: str, report: Report) -> str:
    latency = report["latency_ms"]
    return "\n\n".join(
        [
            f"    ordertrainer evaluate --model models/order/{version} --data DATA --seed {report['seed']}",
            _whose_runs(report),
            summary_table(report),
            _HOW_TO_READ,
            "### Per class",
            class_table(report["diagnosers"][MODEL]),
            "### Per fault",
            fault_table(report),
            "### Speed",
            f"{latency['entities']} entities, one CPU thread: median {latency['p50']} ms, 99th percentile {latency['p99']} ms.",
        ]
    )


def _whose_runs(report: Report) -> str:
    data, runs = report["data"], report["diagnosers"][MODEL]["runs"]
    return (
        f"On runs that neither training nor tuning saw: {data['windows']} windows, {runs} runs, {data['hosts']} hosts; "
        f"data sha256 `{data['sha256']}`, commit `{report['commit']}`."
    )
