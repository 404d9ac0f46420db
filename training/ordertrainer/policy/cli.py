"""`ordertrainer imitate`, `exam` and `fit`: a policy from the simulator. Reads playbooks, writes checkpoints.

With `--ray` the turns of an exam, and trainings from several seeds, are done on a cluster; what they come to is the same.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich.console import Console

from ordertrainer import heldout, tracking
from ordertrainer.fanout import FanoutError, fan_out, sealed
from ordertrainer.fanout.addresses import HELP as RAY_HELP
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.nets.policy import PolicyShape
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.following import Following
from ordertrainer.policy.imitate import Settings
from ordertrainer.policy.imitate import imitate as run_imitation
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.overseeds import report as seeds_report
from ordertrainer.policy.overseeds import table as seeds_table
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.profiles import PROFILES
from ordertrainer.policy.progress import screen, summary
from ordertrainer.policy.refusals import refusals
from ordertrainer.policy.report import BASELINES, CHANCE, NETWORK, RULES, examine, log_final, makers, told, turns
from ordertrainer.policy.rollout import Rollout
from ordertrainer.policy.several import Training, begun, folder, trainings
from ordertrainer.policy.sitting import Machine, Weights, catalogue, sittings
from ordertrainer.policy.suites import MIX, Suite
from ordertrainer.policy.tables import family_table, suite_table
from ordertrainer.policy.telling import told_to
from ordertrainer.pretrain.checkpoint import read_pretrained
from ordertrainer.tracking import Server, Tracked, TrackingError

LOG: Final = "held-out.jsonl"
ERRORS: Final = Console(stderr=True)
OUTPUT: Final = Console(width=160, soft_wrap=True)

Threads = Annotated[int, typer.Option(min=1, help="CPU threads; more than one is slower on busy machines.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seeds = Annotated[str, typer.Option(metavar="A,B", help="Train from each of these seeds, in a folder of its own below --out.")]
Ray = Annotated[str | None, typer.Option(metavar="ADDRESS", help=RAY_HELP)]
Mlflow = Annotated[str | None, typer.Option(metavar="URI", help=tracking.HELP)]


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
    pretrained: Annotated[Path | None, typer.Option("--from", help="Begin with weights of `ordertrainer pretrain`.")] = None,
    seeds: Seeds = "",
    ray: Ray = None,
    mlflow: Mlflow = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="With --seeds: also write every figure here.")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Train a policy in the simulator on an expert that knows every fault; prints the checkpoint, or a table of several seeds."""
    bounds = Bounds(iterations=iterations, minutes=minutes)
    with refusals(out, FanoutError, TrackingError):
        settings = Settings(seed=seed, steps=steps, batch=batch, rollout=Rollout(hosts=hosts), shape=_shape(pretrained))
        server = tracking.server(mlflow, os.environ)
        if _several(seeds, ray):
            machine = _machine(threads, device)
            model = Training(
                out=out, settings=settings, bounds=bounds, machine=machine, mlflow=server, pretrained=_whole(pretrained)
            )
            found = _from_seeds(seeds, ray, model, resume=resume)
            if json_file is not None:
                write_json(json_file, seeds_report(found))
            return
        playbooks, _ = _ready(_machine(threads, device))
        path = _imitate(playbooks, out, settings, bounds, server=server, resume=resume, pretrained=pretrained)
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
    ray: Ray = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Let a policy keep simulated hosts in order, beside oracle, rules and chance."""
    path = policy / "best.pt" if policy.is_dir() else policy
    with refusals(path.parent, FanoutError, TrackingError):
        content, machine = read_policy(path), _machine(threads, device)
        playbooks, known = _ready(machine)
        wanted = {name.strip() for name in suite.split(",") if name.strip()}
        asked = [s for s in known.values() if s.name != MIX and (held_out or not s.held) and (not wanted or s.name in wanted)]
        arms = makers(playbooks, _network(content, playbooks), [name for name in baselines.split(",") if name], seed)
        every = turns([s.name for s in asked], arms, hosts)
        weights = Weights(shape=content["shape"], tensors=content["weights"])
        with screen("exam", ERRORS) as shown:
            played = fan_out(sittings(weights, every, seed=seed, machine=machine), address=ray, tick=shown.ask)
        report: dict[str, Any] = {"hosts": hosts, "seed": seed, **told(playbooks, asked, every, played)}
    report |= {"policy": {key: content[key] for key in ("seed", "iteration", "commit", "catalogue", "heldout")}}
    if held_out:
        looks = log_final(path.parent / LOG, report["policy"], report)
        ERRORS.print(f"the final test of this policy, look {looks} (noted in {path.parent / LOG})", highlight=False)
    if json_file is not None:
        write_json(json_file, report)
    _show(report)


def fit(
    *,
    profile: Annotated[str, typer.Option(help=f"One of: {', '.join(PROFILES)}.")] = "cpu-3min",
    out: Annotated[Path, typer.Option(help="Folder of checkpoints.")] = Path("out/fit"),
    seed: Annotated[int, typer.Option(help="Of weights, hosts and draws.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    seeds: Seeds = "",
    ray: Ray = None,
    mlflow: Mlflow = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write every figure here.")] = None,
    threads: Threads = 1,
    device: Device = "auto",
) -> None:
    """Train and examine in one go; exit status 1 unless the network settles more hosts than rules, and rules more than chance.

    Of several seeds each has to.
    """
    if profile not in PROFILES:
        raise typer.BadParameter(f"{profile!r}; there are: {', '.join(PROFILES)}", param_hint="--profile")
    chosen, machine = PROFILES[profile], _machine(threads, device)
    with refusals(out, FanoutError, TrackingError):
        server = tracking.server(mlflow, os.environ)
        if _several(seeds, ray):
            model = Training(out=out, settings=chosen.settings, bounds=chosen.bounds, machine=machine, mlflow=server)
            found = _from_seeds(seeds, ray, replace(model, exam_hosts=chosen.exam_hosts), resume=resume)
            if json_file is not None:
                write_json(json_file, seeds_report(found))
            _refuse_disorder([each["exam"] for each in found])
            return
        playbooks, known = _ready(machine)
        path = _imitate(playbooks, out, replace(chosen.settings, seed=seed), chosen.bounds, server=server, resume=resume)
        arms = makers(playbooks, _network(read_policy(path), playbooks), (RULES, CHANCE), seed)
        with screen("exam", ERRORS) as shown:
            report = examine(playbooks, arms, [known[MIX]], hosts=chosen.exam_hosts, seed=seed, tick=shown.ask)
    if json_file is not None:
        write_json(json_file, report)
    _show(report)
    _refuse_disorder([report])


def _refuse_disorder(reports: Sequence[dict[str, Any]]) -> None:
    if not all(in_order(report) for report in reports):
        ERRORS.print("the arms are not in order: network, rules, chance", style="bold red")
        raise typer.Exit(1)


def in_order(report: dict[str, Any]) -> bool:
    """Tell whether the network settles more hosts than the rules, and these more than chance."""
    scored = report["suites"][MIX]["scores"]
    network, rules, chance = (scored[name]["settled"]["value"] for name in (NETWORK, RULES, CHANCE))
    return network > rules > chance


def _machine(threads: int, device: str) -> Machine:
    return Machine(device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device, threads=threads)


def _ready(machine: Machine) -> tuple[Playbooks, dict[str, Suite]]:
    torch.set_num_threads(machine.threads)
    return catalogue(machine.device)


def _network(content: dict[str, Any], playbooks: Playbooks) -> Callable[[], Network]:
    net = policy_of(content).to(playbooks.contracts.device)
    return lambda: Network(net, playbooks.contracts)


def _shape(pretrained: Path | None) -> PolicyShape:
    """Return the sizes of a policy: those of the weights that it begins with, if any."""
    if pretrained is None:
        return PolicyShape()
    return PolicyShape(**read_pretrained(pretrained)["shape"])._replace(dropout=PolicyShape().dropout)


def _whole(path: Path | None) -> Path | None:
    """Return a path that holds in any working directory."""
    return None if path is None else path.resolve()


def _imitate(
    playbooks: Playbooks,
    out: Path,
    settings: Settings,
    bounds: Bounds,
    *,
    server: Server | None,
    resume: bool,
    pretrained: Path | None = None,
) -> Path:
    if (out / LAST).exists() and not resume:
        raise CheckpointError(f"{out}: holds a training; --resume goes on with it, another --out begins anew")
    with screen("imitation", ERRORS) as shown, told_to(server, out, settings, playbooks) as told:
        watcher = Tracked(shown, told)
        return run_imitation(playbooks, heldout.load(), out, settings, bounds=bounds, watcher=watcher, pretrained=pretrained)


def _several(seeds: str, ray: str | None) -> bool:
    if ray is not None and not seeds:
        raise ValueError("--ray: there is nothing to fan out but the trainings of several seeds; name them with --seeds A,B")
    return bool(seeds)


def _from_seeds(seeds: str, ray: str | None, model: Training, *, resume: bool) -> list[dict[str, Any]]:
    """Train from each seed as a model says, and show what each came to."""
    out, numbers = model.out, numbers_of(seeds)
    if not resume and (there := begun(out, numbers)):
        raise CheckpointError(f"{there[0]}: holds a training; --resume goes on with it, another --out begins anew")
    folders = {f"seed {number}": folder(out, number) for number in numbers}
    with screen("imitation", ERRORS) as shown, sealed(out) as seal:
        following = Following(folders, lambda name, line: shown.note(f"{name}: {summary(line)}"))

        def tick(what: str, share: float) -> None:
            shown.ask(what, share)
            following.look()

        found = fan_out(trainings(model, numbers, seal), address=ray, tick=tick)
        following.look(now=True)
    OUTPUT.print(seeds_table(found))
    return found


def numbers_of(seeds: str) -> list[int]:
    """Return the seeds of a list with commas, once each.

    Raises:
        ValueError: one is no whole number from 0 on.
    """
    named = [name.strip() for name in seeds.split(",") if name.strip()]
    if not named or not all(name.isascii() and name.isdigit() for name in named):
        raise ValueError(f"--seeds {seeds}: whole numbers from 0 on, separated by commas")
    return list(dict.fromkeys(map(int, named)))


def _show(report: dict[str, Any]) -> None:
    for name, found in report["suites"].items():
        OUTPUT.print(suite_table(name, found["scores"]), "")
    if any(found["single"] for found in report["suites"].values()):
        policies = list(next(iter(report["suites"].values()))["scores"])
        OUTPUT.print(family_table(report, policies))
