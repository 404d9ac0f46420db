"""``ordertrainer``: one command with many verbs; a verb's module is imported only when it is used.

A drill must start at once and needs no torch, so nothing here imports a verb before it is asked for.
"""

import os

# Before any import that could pull them in: onnxruntime would write and upload, grpc would hang after a fork.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Where a verb lives: ``module``, the ``attribute`` that is its typer app or function, and its help line."""

    module: str
    attribute: str
    summary: str


VERBS: Final = {
    "drill": Verb(module="drill.cli", attribute="drill", summary="Break a disposable host, let orderd repair it, prove it."),
    "catalogue": Verb(module="prove.cli", attribute="catalogue_app", summary="List, check and prove the faults and repairs."),
    "host": Verb(module="ground.cli", attribute="host_app", summary="Disposable hosts: up, down, list, enter, reap, prepare."),
    "serve": Verb(module="serve.cli", attribute="serve", summary="Take in the telemetry of hosts."),
    "token": Verb(module="serve.cli", attribute="token", summary="Let a host or a person join the fleet, once."),
    "collect": Verb(module="collect.cli", attribute="collect", summary="Record labelled drills on disposable hosts."),
    "dataset": Verb(module="dataset.cli", attribute="dataset", summary="Summarise recorded drills."),
    "pretrain": Verb(module="pretrain.cli", attribute="pretrain", summary="Learn without labels what hosts show next."),
    "train": Verb(module="imitation.cli", attribute="train", summary="Train the order model on recorded drills."),
    "finetune": Verb(
        module="imitation.finetune", attribute="finetune", summary="Let a trained model go on learning from other hosts."
    ),
    "harden": Verb(
        module="harden.cli",
        attribute="harden_model",
        summary="Let chaos evolve against an order model, and teach it.",
    ),
    "export": Verb(module="export.cli", attribute="export", summary="Export a trained model as ONNX with manifest and card."),
    "keygen": Verb(module="signing.cli", attribute="keygen", summary="Make the keys that sign models and playbooks."),
    "sign": Verb(module="signing.cli", attribute="sign_app", summary="Sign a model or the playbooks for the fleet's hosts."),
    "verify": Verb(module="signing.cli", attribute="verify_app", summary="Check a signed model or playbooks as a host would."),
    "imitate": Verb(module="policy.cli", attribute="imitate", summary="Train a policy in the simulator on an expert."),
    "exam": Verb(module="policy.cli", attribute="exam", summary="Let a policy keep simulated hosts in order, beside rules."),
    "fit": Verb(module="fit.cli", attribute="fit", summary="Train and examine in one go, in a time that you have."),
    "compare": Verb(module="prefer.cli", attribute="compare", summary="Ask a person which of two plans is better."),
    "prefer": Verb(module="prefer.cli", attribute="prefer", summary="Learn the weights of costs from what people preferred."),
    "evolve": Verb(module="evolve.cli", attribute="evolve", summary="Train a policy further, against chaos that evolves."),
    "rules": Verb(module="rules.cli", attribute="rules", summary="What a model learned, as a list of rules to review."),
    "calibrate": Verb(
        module="calibrate.cli", attribute="calibrate", summary="Hold the simulator against recorded hosts, and fit it."
    ),
    "evaluate": Verb(module="evaluation.cli", attribute="evaluate", summary="Score a model, beside rules and fitted baselines."),
    "calibrate-confidence": Verb(
        module="confidence.cli", attribute="calibrate_confidence_verb", summary="Make a model's confidence worth believing."
    ),
}


def main() -> None:
    """Run one verb."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    app = typer.Typer(
        name="ordertrainer",
        help="Break hosts, watch them being repaired, and train the order model.",
        no_args_is_help=True,
        add_completion=False,
    )
    # A callback keeps typer from collapsing an app of one command into that command.
    app.callback()(lambda: None)
    for name, verb in VERBS.items():
        if name == asked:
            _mount(app, name, verb)
        else:
            app.command(name, help=verb.summary)(lambda: None)
    app()


def _mount(app: typer.Typer, name: str, verb: Verb) -> None:
    try:
        found = getattr(import_module(f"ordertrainer.{verb.module}"), verb.attribute)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ordertrainer"):
            raise
        sys.exit(f"ordertrainer {name} needs the package {error.name}: pip install -c constraints.txt '.[trainer]'")
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name, help=verb.summary)
    else:
        app.command(name, help=verb.summary)(found)


if __name__ == "__main__":
    main()
