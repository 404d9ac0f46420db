"""`ordertrainer evolve`: order against chaos that evolves. Reads playbooks and a policy, writes checkpoints."""

import math
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console
from rich.table import Table

from ordertrainer import heldout
from ordertrainer.costs import Costs, CostsError, read_costs
from ordertrainer.evolve.crossplay import cross_play
from ordertrainer.evolve.evolve import PARTS, Settings
from ordertrainer.evolve.evolve import evolve as run_evolution
from ordertrainer.evolve.exam import against_fresh_chaos
from ordertrainer.evolve.fresh import Search
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals
from ordertrainer.sim.policies import Rules

ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=160, soft_wrap=True)


class Arm(StrEnum):
    """Which chaos."""

    POPULATION = "population"
    UNIFORM = "uniform"


def evolve(
    *,
    out: Annotated[Path, typer.Option(help="Folder of this training.")],
    policy: Annotated[
        Path | None, typer.Option(help="best.pt of `ordertrainer imitate`, or its folder; not needed with --resume.")
    ] = None,
    chaos: Annotated[Arm, typer.Option(help="population evolves; uniform draws evenly, to be compared with.")] = Arm.POPULATION,
    drills: Annotated[int, typer.Option(min=1, help="In all; whole iterations of --hosts.")] = 4608,
    minutes: Annotated[float, typer.Option(min=0.1, help="At most this long, an interrupted training's time included.")] = 60.0,
    hosts: Annotated[int, typer.Option(min=2, help="Drills an iteration.")] = Settings().hosts,
    seed: Annotated[int, typer.Option(help="Of drills, lots and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    fresh: Annotated[
        int, typer.Option(min=0, help="Hosts on which a fresh chaos examines the imitated policy, the evolved one and the rules.")
    ] = 0,
    matrix: Annotated[int, typer.Option(min=0, help="Hosts on which all generations of order meet all of chaos.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    costs: Annotated[Path | None, typer.Option(help="Weights of `ordertrainer prefer`, instead of the defaults.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a policy further, against chaos that evolves; prints the checkpoint."""
    with refusals(out, CostsError):
        torch.set_num_threads(threads)
        wanted = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        weights = Costs() if costs is None else read_costs(costs)
        playbooks, settings = load_playbooks(device=wanted), Settings(seed=seed, chaos=chaos.value, hosts=hosts, costs=weights)
        bounds = Bounds(iterations=math.ceil(drills / hosts), minutes=minutes)
        path = _evolve(playbooks, policy, out, settings, bounds, resume=resume)
        report: dict[str, Any] = {"history": read_policy(path)["history"]}
        if fresh:
            report["fresh_chaos"] = _examine(playbooks, path, weights, hosts=fresh, seed=seed)
        if matrix:
            with screen("cross-play", ERRORS) as shown:
                tick: Callable[[float], None] = lambda share: shown.ask("generations", share)  # noqa: E731  a name for its type
                report["cross_play"] = cross_play(
                    playbooks, heldout.load(), out, settings.costs, hosts=matrix, seed=seed, tick=tick
                )
        if json_file is not None:
            write_json(json_file, report)
    show(report)
    typer.echo(path)


def _evolve(playbooks: Playbooks, policy: Path | None, out: Path, settings: Settings, bounds: Bounds, *, resume: bool) -> Path:
    if (out / LAST).exists() and not resume:
        raise CheckpointError(f"{out}: holds a training; --resume goes on with it, another --out begins anew")
    start = policy / "best.pt" if policy is not None and policy.is_dir() else policy
    with screen("evolution", ERRORS, PARTS, summary) as shown:
        return run_evolution(playbooks, heldout.load(), start, out, settings, bounds=bounds, watcher=shown)


def _examine(playbooks: Playbooks, path: Path, costs: Costs, *, hosts: int, seed: int) -> dict[str, Any]:
    content = read_policy(path)
    evolved, imitated = policy_of(content).to(playbooks.contracts.device), policy_of(content).to(playbooks.contracts.device)
    imitated.load_state_dict(content["learning"]["imitated"])
    policies: dict[str, Callable[[], Any]] = {
        "imitated": lambda: Network(imitated, playbooks.contracts),
        "evolved": lambda: Network(evolved, playbooks.contracts),
        "rules": lambda: Rules(playbooks.repairs),
    }
    with screen("fresh chaos", ERRORS) as shown:
        return against_fresh_chaos(playbooks, heldout.load(), policies, costs, Search(), hosts=hosts, seed=seed, tick=shown.ask)


def summary(said: dict[str, Any]) -> str:
    """Return one line about an iteration."""
    worth = f"  worth {said['worth']:.3f}" if "worth" in said else ""
    settled = "-" if said["settled"] is None else f"{said['settled']:.3f}"
    return (
        f"iteration {said['iteration']:3d}  drills {said['drills']:6d}  settled {settled}  return {said['return_s']:7.2f} s  "
        f"touched healthy {said['rate_healthy']:.3f} at {said['price_healthy_s']:.0f} s  "
        f"harmful {said['rate_harmful']:.3f} at {said['price_harmful_s']:.0f} s  kl {said['kl_imitated']:.3f}{worth}  "
        f"{said['seconds']:.1f} s"
    )


def show(report: dict[str, Any]) -> None:
    """Print tables of what was examined."""
    if "fresh_chaos" in report:
        table = Table("policy", "regret, s", "not settled", "curable, not repaired", title="against a fresh chaos of its own")
        for name, found in report["fresh_chaos"].items():
            table.add_row(name, *(_cell(found[key]) for key in ("regret_s", "unsettled", "unrepaired")))
        OUTPUT.print(table)
    if "cross_play" in report:
        regret = report["cross_play"]["regret_s"]
        table = Table("order", *next(iter(regret.values())), title="regret in seconds: orders by row, chaoses by column")
        for order, row in regret.items():
            table.add_row(order, *(f"{value:.1f}" for value in row.values()))
        OUTPUT.print(table)


def _cell(score: dict[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
