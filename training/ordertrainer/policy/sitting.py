"""One turn of an exam as a task for any process: who plays, before which hosts. Imports torch; reads playbooks once a process.

What is compared is the same wherever it is computed: `ordertrainer.policy.report.examine` plays the very same turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from orderd.errors import CatalogueError
from ordertrainer import heldout
from ordertrainer.fanout import Task
from ordertrainer.fanout.task import Share
from ordertrainer.heldout import HeldOutError
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy.actor import Network
from ordertrainer.policy.exam import Played, play
from ordertrainer.policy.playbooks import Playbooks, load_playbooks
from ordertrainer.policy.report import BASELINES, Turn, makers
from ordertrainer.policy.suites import Suite, suites, training_mix


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A policy network, as it travels.

    Attributes:
        shape: of the network.
        tensors: by name, on the CPU.
    """

    shape: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def net(self) -> PolicyNet:
        """Return the network, in evaluation mode."""
        net = PolicyNet(PolicyShape(**self.shape))
        net.load_state_dict(self.tensors)
        return net.eval()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How it is computed; sums come out the same only where this is.

    Attributes:
        device: torch device.
        threads: of a CPU.
    """

    device: str = "cpu"
    threads: int = 1


def sittings(weights: Weights, every: Sequence[Turn], *, seed: int, machine: Machine) -> list[Task[Played]]:
    """Return an exam's turns as tasks.

    Args:
        weights: of the network that takes it.
        every: turns.
        seed: of the exam.
        machine: how they are computed.
    """
    return [
        Task(
            name=f"{turn}, part {turn.part}",
            seed=turn.seed(seed),
            work=partial(sit, weights, turn, seed, machine),
            cpus=machine.threads,
            gpus=int(machine.device.startswith("cuda")),
            refusals=(CatalogueError, HeldOutError),
        )
        for turn in every
    ]


def sit(weights: Weights, turn: Turn, seed: int, machine: Machine, tick: Share) -> Played:
    """Play one turn; returns what came of its hosts, on the CPU.

    Raises:
        CatalogueError: playbooks cannot be read.
        HeldOutError: nor can the split.
    """
    torch.set_num_threads(machine.threads)
    playbooks, asked = catalogue(machine.device)
    net = weights.net().to(playbooks.contracts.device)
    make = makers(playbooks, lambda: Network(net, playbooks.contracts), BASELINES, seed)[turn.policy]
    return play(make(), playbooks.world, asked[turn.suite], hosts=turn.hosts, seed=turn.seed(seed), tick=tick).to("cpu")


@cache
def catalogue(device: str) -> tuple[Playbooks, dict[str, Suite]]:
    """Return the catalogue, and everything that can be asked of it by name; read once a process.

    Raises:
        CatalogueError: playbooks cannot be read.
        HeldOutError: nor can the split.
    """
    playbooks, held = load_playbooks(device=device), heldout.load()
    return playbooks, {suite.name: suite for suite in (training_mix(playbooks.world, held), *suites(playbooks.world, held))}
