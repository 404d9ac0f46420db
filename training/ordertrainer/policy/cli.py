"""`ordertrainer imitate` and `exam`: a policy from the simulator. Reads playbooks, writes checkpoints.

With `--ray` the turns of an exam, and trainings from several seeds, are done on a cluster; what they come to is the same.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer

from ordertrainer import heldout, tracking
from ordertrainer.fanout import FanoutError, fan_out
from ordertrainer.files import write_json
from ordertrainer.imitation.checkpoint import CheckpointError
from ordertrainer.nets.policy import PolicyShape
from ordertrainer.policy.actor import Network
from ordertrainer.policy.asking import ERRORS, Device, Mlflow, Ray, Seeds, Threads, from_seeds, machine_of, several, show
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.imitate import Settings
from ordertrainer.policy.imitate import imitate as run_imitation
from ordertrainer.policy.iterations import LAST, Bounds
from ordertrainer.policy.overseeds import report as seeds_report
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.progress import screen
from ordertrainer.policy.refusals import refusals
from ordertrainer.policy.report import BASELINES, log_final, makers, told, turns
from ordertrainer.policy.rollout import Rollout
from ordertrainer.policy.several import Training, trainings
from ordertrainer.policy.sitting import Machine, Weights, catalogue, sittings
from ordertrainer.policy.suites import MIX, Suite
from ordertrainer.policy.telling import told_to
from ordertrainer.pretrain.checkpoint import read_pretrained
from ordertrainer.tracking import Server, Tracked, TrackingError

LOG: Final = "held-out.jsonl"


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
        if several(seeds, ray):
            machine = machine_of(threads, device)
            model = Training(
                out=out, settings=settings, bounds=bounds, machine=machine, mlflow=server, pretrained=_whole(pretrained)
            )
            found = from_seeds(lambda numbers, seal: trainings(model, numbers, seal), out, seeds, ray, resume=resume)
            if json_file is not None:
                write_json(json_file, seeds_report(found))
            return
        playbooks, _ = _ready(machine_of(threads, device))
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
        content, machine = read_policy(path), machine_of(threads, device)
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
    show(report)


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
