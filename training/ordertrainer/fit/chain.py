"""The stages of learning in the simulator, one after another; each in a folder, each goes on where it was interrupted.

    OUT/pretrained/   stage 1, where the profile has it
    OUT/              stage 2, imitation: what there always is
    OUT/evolved/      stage 3, where the profile has it

The policy that comes out is the better of stages 2 and 3 on hosts that neither learned from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from ordertrainer import heldout
from ordertrainer.evolve.evolve import PARTS as EVOLUTION
from ordertrainer.evolve.evolve import evolve
from ordertrainer.evolve.show import summary as evolved_summary
from ordertrainer.fanout import Task, refuse_elsewhere
from ordertrainer.fanout.task import Share
from ordertrainer.fit.profiles import PROFILES, Profile
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import policy_of, read_policy
from ordertrainer.policy.imitate import PARTS, imitate
from ordertrainer.policy.iterations import BEST, Bounds
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.policy.progress import summary
from ordertrainer.policy.report import CHANCE, RULES, examine, makers
from ordertrainer.policy.several import Open, Stages, folder, from_each
from ordertrainer.policy.sitting import Machine, catalogue
from ordertrainer.policy.suites import MIX
from ordertrainer.policy.telling import told_to
from ordertrainer.pretrain.learn import Settings as Pretraining
from ordertrainer.pretrain.learn import Sources, pretrain
from ordertrainer.pretrain.show import summary as pretrained_summary
from ordertrainer.tracking import Server, Tracked

PRETRAINED: Final = "pretrained"
EVOLVED: Final = "evolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """One run of a profile.

    Attributes:
        out: its folder.
        profile: its name.
        seed: of everything.
        machine: how it is computed.
        mlflow: told of the imitation.
    """

    out: Path
    profile: str
    seed: int
    machine: Machine
    mlflow: Server | None = None


def fitted(asked: Fitting, opened: Open) -> dict[str, Any]:
    """Do all stages, or go on; return what came of it as plain values.

    Args:
        asked: what.
        opened: begins to show a stage.

    Returns:
        ``checkpoint``, the policy; ``stages``, the checkpoint of each stage by name; ``tune`` and ``exam``.

    Raises:
        CheckpointError: the folder holds trainings of another profile.
        CatalogueError: playbooks cannot be read.
        HeldOutError: the split cannot be read, or a draw broke it.
    """
    torch.set_num_threads(asked.machine.threads)
    profile, out = PROFILES[asked.profile], asked.out
    playbooks, known = catalogue(asked.machine.device)
    held, stages = heldout.load(), dict[str, Path]()
    if profile.pretraining is not None:
        stages[PRETRAINED] = _pretrained(asked, profile, profile.pretraining, opened)
    settings = replace(profile.settings, seed=asked.seed)
    with opened("imitation", PARTS, summary) as shown, told_to(asked.mlflow, out, settings, playbooks) as told:
        stages["imitated"] = imitate(
            playbooks, held, out, settings, bounds=profile.bounds, watcher=Tracked(shown, told), pretrained=stages.get(PRETRAINED)
        )
    if profile.evolution is not None:
        evolution, start = replace(profile.evolution, seed=asked.seed), stages["imitated"]
        with opened("evolution", EVOLUTION, evolved_summary) as shown:
            evolve(playbooks, held, start, out / EVOLVED, evolution, bounds=profile.evolution_bounds, watcher=shown)
        if (out / EVOLVED / BEST).exists():  # nothing was examined where there was time for too few iterations
            stages[EVOLVED] = out / EVOLVED / BEST
    path = max((stages[name] for name in ("imitated", EVOLVED) if name in stages), key=_worth)
    content = read_policy(path)
    net = policy_of(content).to(playbooks.contracts.device)
    arms = makers(playbooks, lambda: Network(net, playbooks.contracts), (RULES, CHANCE), asked.seed)
    with opened("exam", PARTS, summary) as shown:
        exam = examine(playbooks, arms, [known[MIX]], hosts=profile.exam_hosts, seed=asked.seed, tick=shown.ask)
    return {
        "seed": asked.seed,
        "profile": asked.profile,
        "checkpoint": str(path),
        "stages": {name: str(each) for name, each in stages.items()},
        "commit": content["commit"],
        "tune": content["tune"],
        "exam": exam,
    }


def _pretrained(asked: Fitting, profile: Profile, bounds: Bounds, opened: Open) -> Path:
    settings = Pretraining(seed=asked.seed, shape=profile.settings.shape.encoder())
    sources = Sources(world=load_playbooks().world, held=heldout.load())
    with opened("pretraining", PARTS, pretrained_summary) as shown:
        return pretrain(sources, asked.out / PRETRAINED, settings, bounds=bounds, watcher=shown)


def _worth(path: Path) -> float:
    return read_policy(path)["tune"]["worth"]


def fittings(model: Fitting, seeds: Sequence[int], seal: Path) -> list[Task[dict[str, Any]]]:
    """Return the same run from each seed, as tasks.

    Args:
        model: of all; its folder holds theirs.
        seeds: of everything.
        seal: of `ordertrainer.fanout.sealed`.
    """
    out = model.out.resolve()

    def work(seed: int) -> Callable[[Share], dict[str, Any]]:
        return partial(_fit, replace(model, out=folder(out, seed), seed=seed), seal)

    return from_each("fit", seeds, model.machine, work)


def _fit(asked: Fitting, seal: Path, tick: Share) -> dict[str, Any]:
    refuse_elsewhere(seal)
    return fitted(asked, _Shares(PROFILES[asked.profile], tick).stage)


class _Shares(Stages):
    """All stages, by the time each may take."""

    def __init__(self, profile: Profile, tick: Share) -> None:
        minutes = {
            "pretraining": profile.pretraining.minutes if profile.pretraining else 0.0,
            "imitation": profile.bounds.minutes,
            "evolution": profile.evolution_bounds.minutes if profile.evolution else 0.0,
        }
        whole = sum(minutes.values()) / 0.9
        super().__init__({name: each / whole for name, each in minutes.items()} | {"exam": 0.1}, tick)
