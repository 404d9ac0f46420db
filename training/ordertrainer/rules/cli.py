"""`ordertrainer rules`: what a model learned, as rules to review. Reads models, playbooks and data; simulates; writes files."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console

from orderd.config.schema import InferenceConfig
from orderd.errors import CatalogueError, InferenceError, ModelRefusedError
from orderd.inference.admission import admit
from orderd.inference.manifest import read_package
from orderd.inference.session import Model
from ordertrainer import heldout
from ordertrainer.dataset import DatasetError, digest
from ordertrainer.files import write_durably
from ordertrainer.imitation.checkpoint import CheckpointError, commit
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.policy.progress import Screen, screen
from ordertrainer.rules.choose import Budget
from ordertrainer.rules.distil import Distilled, distil
from ordertrainer.rules.pages import answer_table, fidelity_tables, markdown, plain, rule_table
from ordertrainer.rules.rulebook import INSTALLED, rulebook
from ordertrainer.rules.teachers import OrderModel, Policy, Teacher
from ordertrainer.rules.windows import recorded_sets, simulated_sets
from ordertrainer.sim.catalogue import PLAYBOOKS

INTERRUPTED: Final = 130
CURRENT: Final = PLAYBOOKS.parent / "models" / "order" / "current"
ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=180, soft_wrap=True)


def rules(
    *,
    model: Annotated[Path | None, typer.Option(help="Model folder; by default models/order/current.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="best.pt of `ordertrainer imitate`, or its folder, instead of a model.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Ask about recorded drills here, instead of simulated hosts.")] = None,
    hosts: Annotated[int, typer.Option(min=8, help="Simulated hosts to make the list from; as many more are examined.")] = 2000,
    count: Annotated[int, typer.Option("--rules", min=1, help="At most this many rules.")] = Budget().rules,
    seed: Annotated[int, typer.Option(help="Of hosts, splits and ties.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write rules and figures here.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Also write a page for a review here.")] = None,
    rulebook_file: Annotated[Path | None, typer.Option("--rulebook", help="Also write an ansible-rulebook here.")] = None,
    playbooks_at: Annotated[Path, typer.Option(help="Folder of the repairs where the rulebook will run.")] = INSTALLED,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
) -> None:
    """Tell what a model learned in a short list of rules, and how often the list says what the model says."""
    torch.set_num_threads(threads)
    with _refusals():
        if model is not None and policy is not None:
            raise ValueError("a list tells of one teacher; give --model or --policy")
        playbooks = load_playbooks()
        teacher = _policy(policy, playbooks) if policy is not None else _model(model or CURRENT)
        with screen("rules", ERRORS) as shown:
            found = _distilled(teacher, playbooks, shown, data=data, hosts=hosts, seed=seed, budget=Budget(rules=count))
        about = {"commit": commit(), "seed": seed, "hosts": hosts if data is None else None}
        about |= {"data": digest(data)} if data is not None else {}
        _write(json_file, json.dumps({**about, **plain(found)}, indent=2) + "\n")
        _write(markdown_file, markdown(found))
        if rulebook_file is not None:
            _write(rulebook_file, _rulebook(found, playbooks, playbooks_at))
    for page in (rule_table(found), *fidelity_tables(found), answer_table(found)):
        OUTPUT.print(page, "")


def _model(folder: Path) -> OrderModel:
    package = read_package(folder)
    admit(package)
    return OrderModel(Model(package, provider="cpu"), InferenceConfig().confidence_min)


def _policy(file: Path, playbooks: Playbooks) -> Policy:
    return Policy(policy_of(read_policy(file / "best.pt" if file.is_dir() else file)), playbooks)


def _distilled(
    teacher: Teacher, playbooks: Playbooks, shown: Screen, *, data: Path | None, hosts: int, seed: int, budget: Budget
) -> Distilled:
    if data is not None:
        shown.ask("reading recorded drills", 0.0)
        fit, sets = recorded_sets(data)
    else:
        fit, sets = simulated_sets(
            playbooks.world, heldout.load(), hosts=hosts, seed=seed, tick=lambda share: shown.ask("simulating hosts", share)
        )
    return distil(teacher, playbooks.repairs, fit, sets, seed=seed, budget=budget, tick=shown.ask)


def _rulebook(found: Distilled, playbooks: Playbooks, at: Path) -> str:
    title = f"What {found.teacher} learned"
    return rulebook(found.rules, playbooks.repairs, sources=PLAYBOOKS / "repairs", playbooks=at, title=title)


def _write(file: Path | None, text: str) -> None:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, text.encode())


@contextmanager
def _refusals() -> Generator[None]:
    """Turn refusals and Ctrl-C into a line and an exit status."""
    try:
        yield
    except (CatalogueError, CheckpointError, DatasetError, InferenceError, ModelRefusedError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from interruption
