"""`ordertrainer imitate`, `exam` and `fit`: a policy from the simulator. Reads playbooks, writes checkpoints."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console

from orderd.errors import CatalogueError
from ordertrainer import heldout
from ordertrainer.heldout import HeldOutError
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.imitate import LAST, Bounds, Settings
from ordertrainer.policy.imitate import imitate as run_imitation
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.policy.profiles import PROFILES
from ordertrainer.policy.progress import screen
from ordertrainer.policy.report import BASELINES, CHANCE, NETWORK, RULES, examine, log_final, makers
from ordertrainer.policy.rollout import Rollout
from ordertrainer.policy.suites import MIX, suites, training_mix
from ordertrainer.policy.tables import family_table, suite_table

INTERRUPTED: Final = 130
LOG: Final = "held-out.jsonl"
ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=160, soft_wrap=True)

Threads = Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def imitate(
    *,
    out: Annotated[Path, typer.Option(help="Folder of checkpoints.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="At most this long, an interrupted training's time included.")] = 30.0,
    iterations: Annotated[int, typer.Option(min=1, help="At most this many roll-outs.")] = Bounds().iterations,
    seed: Annotated[int, typer.Option(help="Of weights, hosts and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    hosts: Annotated[int, typer.Option(min=1, help="Simulated at once.")] = Rollout().hosts,
    steps: Annotated[int, typer.Option(min=1, help="Steps an iteration.")] = Settings().steps,
    batch: Annotated[int, typer.Option(min=1, help="Moments a step.")] = Settings().batch,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Train a policy in the simulator on an expert that knows every fault; prints the checkpoint."""
    settings = Settings(seed=seed, steps=steps, batch=batch, rollout=Rollout(hosts=hosts))
    with _refusals(out):
        playbooks = _ready(threads, device)
        path = _imitate(playbooks, out, settings, Bounds(iterations=iterations, minutes=minutes), resume=resume)
    typer.echo(path)


def exam(
    *,
    policy: Annotated[Path, typer.Option(help="best.pt of `ordertrainer imitate`, or its folder.")],
    hosts: Annotated[int, typer.Option(min=1, help="Of each suite.")] = 256,
    seed: Annotated[int, typer.Option(help="Of the hosts.")] = 0,
    baselines: Annotated[str, typer.Option(help="Beside it, by commas: oracle, rules, chance.")] = ",".join(BASELINES),
    suite: Annotated[str, typer.Option(help="Only these suites, by commas; all by default.")] = "",
    held_out: Annotated[bool, typer.Option("--held-out", help="Ask the final test too; every look is logged.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Let a policy keep simulated hosts in order, beside oracle, rules and chance."""
    path = policy / "best.pt" if policy.is_dir() else policy
    with _refusals(path.parent):
        content = read_policy(path)
        playbooks, held = _ready(threads, device), heldout.load()
        wanted = {name.strip() for name in suite.split(",") if name.strip()}
        asked = [s for s in suites(playbooks.world, held) if (held_out or not s.held) and (not wanted or s.name in wanted)]
        arms = makers(playbooks, _network(content, playbooks), [name for name in baselines.split(",") if name], seed)
        with screen("exam", ERRORS) as shown:
            report = examine(playbooks, arms, asked, hosts=hosts, seed=seed, tick=shown.ask)
    report |= {"policy": {key: content[key] for key in ("seed", "iteration", "commit", "catalogue", "heldout")}}
    if held_out:
        looks = log_final(path.parent / LOG, report["policy"], report)
        ERRORS.print(f"the final test of this policy, look {looks} (noted in {path.parent / LOG})", highlight=False)
    _write(json_file, report)
    _show(report)


def fit(
    *,
    profile: Annotated[str, typer.Option(help=f"One of: {', '.join(PROFILES)}.")] = "cpu-3min",
    out: Annotated[Path, typer.Option(help="Folder of checkpoints.")] = Path("out/fit"),
    seed: Annotated[int, typer.Option(help="Of weights, hosts and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Train and examine in one go; exit status 1 unless the network settles more hosts than rules, and rules more than chance."""
    if profile not in PROFILES:
        raise typer.BadParameter(f"{profile!r}; there are: {', '.join(PROFILES)}", param_hint="--profile")
    chosen = PROFILES[profile]
    with _refusals(out):
        playbooks, held = _ready(threads, device), heldout.load()
        path = _imitate(playbooks, out, replace(chosen.settings, seed=seed), chosen.bounds, resume=resume)
        arms = makers(playbooks, _network(read_policy(path), playbooks), (RULES, CHANCE), seed)
        with screen("exam", ERRORS) as shown:
            mix = training_mix(playbooks.world, held)
            report = examine(playbooks, arms, [mix], hosts=chosen.exam_hosts, seed=seed, tick=shown.ask)
    _write(json_file, report)
    _show(report)
    if not in_order(report):
        ERRORS.print("the arms are not in order: network, rules, chance", style="bold red")
        raise typer.Exit(1)


def in_order(report: dict[str, Any]) -> bool:
    """Tell whether the network settles more hosts than the rules, and these more than chance."""
    scored = report["suites"][MIX]["scores"]
    network, rules, chance = (scored[name]["settled"]["value"] for name in (NETWORK, RULES, CHANCE))
    return network > rules > chance


def _ready(threads: int, device: str) -> Playbooks:
    torch.set_num_threads(threads)
    return load_playbooks(device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def _network(content: dict[str, Any], playbooks: Playbooks) -> Callable[[], Network]:
    net = policy_of(content).to(playbooks.contracts.device)
    return lambda: Network(net, playbooks.contracts)


def _imitate(playbooks: Playbooks, out: Path, settings: Settings, bounds: Bounds, *, resume: bool) -> Path:
    if (out / LAST).exists() and not resume:
        raise CheckpointError(f"{out}: holds a training; --resume goes on with it, another --out begins anew")
    with screen("imitation", ERRORS) as shown:
        return run_imitation(playbooks, heldout.load(), out, settings, bounds=bounds, watcher=shown)


@contextmanager
def _refusals(out: Path) -> Generator[None]:
    """Turn refusals and Ctrl-C into a line and an exit status."""
    try:
        yield
    except (CatalogueError, CheckpointError, HeldOutError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        kept = out / LAST
        what = f"{kept} holds the last iteration; --resume goes on with it" if kept.exists() else "nothing is kept"
        typer.echo(f"interrupted; {what}", err=True)
        raise typer.Exit(INTERRUPTED) from interruption


def _write(file: Path | None, report: dict[str, Any]) -> None:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _show(report: dict[str, Any]) -> None:
    for name, told in report["suites"].items():
        OUTPUT.print(suite_table(name, told["scores"]), "")
    if any(told["single"] for told in report["suites"].values()):
        policies = list(next(iter(report["suites"].values()))["scores"])
        OUTPUT.print(family_table(report, policies))
