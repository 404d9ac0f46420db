"""What faults do to the host as a whole: processor, memory, disks, network. Pure; imports torch.

A process that takes two cores takes them from somebody: the host's own signals follow from what its processes show, so that the
two never contradict each other. What processes do not show (writes, packets, load) the contracts' witnesses say.

Axes: N host, S slot of the window, H host signal.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final, Self

import torch
from torch import Tensor

from orderd.domain.signals import HOST_INDEX, HOST_SIGNALS
from ordertrainer.sim.baseline import HOST_PLACE, ways
from ordertrainer.sim.courses import deviation, own
from ordertrainer.sim.levels import Levels
from ordertrainer.sim.tables import Compiled

LOAD_RISES_S: Final = 60.0
"""The load average over a minute."""
LOAD_EVERY_S: Final = 5.0
"""The kernel reckons it anew."""
RISES_S: Final = 0.5
ROOM: Final = 0.85
"""From this share of all cores on somebody waits, and always from as much more as SCARCE on."""
SCARCE: Final = 0.5
_MOST: Final = 0.99
_USER, _SYSTEM, _WAITING, _MEMORY = (
    HOST_INDEX[name] for name in ("cpu_user_ratio", "cpu_system_ratio", "pressure_cpu_ratio", "memory_used_ratio")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane of every host, as a window shows it.

    Attributes:
        fault: [N] row of the catalogue.
        slot: [N]
        x: [N, 1] intensity.
        age_s: [N, S] since it began to show.
        live: [N, S] bool, it shows.
    """

    fault: Tensor
    slot: Tensor
    x: Tensor
    age_s: Tensor
    live: Tensor


@dataclass(slots=True, kw_only=True)
class Strain:
    """What faults and decoys take, added up lane by lane.

    Attributes:
        cores: [N, S, 2] wanted in user and in kernel mode.
        memory: [N, S] share of the host's.
        more: [N, S, H] added to the host's signals.
    """

    cores: Tensor
    memory: Tensor
    more: Tensor

    @classmethod
    def none(cls, at_s: Tensor) -> Self:
        """Return no strain, for [N, S] seconds."""
        return cls(
            cores=at_s.new_zeros(*at_s.shape, 2),
            memory=torch.zeros_like(at_s),
            more=at_s.new_zeros(*at_s.shape, len(HOST_SIGNALS)),
        )

    def take(self, cores: Tensor, memory: Tensor) -> None:
        """Add what a process takes; what is missing takes nothing."""
        self.cores = self.cores + cores
        self.memory = self.memory + memory


def add(world: Compiled, lane: Lane, strain: Strain) -> None:
    """Add what contracts say of the host while something is there."""
    numbers = world.host.numbers[lane.fault]
    level = numbers[:, 0] + numbers[:, 1] * lane.x
    slowly, quickly = (1.0 - torch.exp(-(lane.age_s + 1.0) / rises_s) for rises_s in (LOAD_RISES_S, RISES_S))
    risen = torch.where(_is_load(lane.age_s.device), slowly[..., None], quickly[..., None])
    shows = world.host.moved[lane.fault][:, None] & lane.live[..., None]
    strain.more = strain.more + torch.where(shows, level[:, None] * risen, 0.0)


def render(world: Compiled, levels: Levels, base: Tensor, at_s: Tensor, strain: Strain) -> tuple[Tensor, Tensor]:
    """Return [N, S, H] the host's signals, and [N, S] how much of the time somebody waits for a processor, measured or not."""
    host = torch.where(torch.isnan(base)[:, None], torch.nan, _in_order(world, levels, at_s)) + strain.more
    taken = strain.cores / levels.cores[:, None, None]
    wanted = host[..., _USER] + host[..., _SYSTEM] + taken.sum(-1)
    waiting = ((wanted - ROOM) / SCARCE).clamp(0.0, 0.95)
    scale = (_MOST / wanted.clamp(min=_MOST))[..., None]
    host[..., [_USER, _SYSTEM]] = (host[..., [_USER, _SYSTEM]] + taken) * scale
    host[..., _WAITING] += waiting
    host[..., _MEMORY] += strain.memory
    return torch.where(_is_ratio(host.device), host.clamp(0.0, _MOST), host.clamp(min=0.0)), waiting


def _in_order(world: Compiled, levels: Levels, at_s: Tensor) -> Tensor:
    """Return [N, S, H] what the host measures as if nothing had happened."""
    seed, names = levels.seed[:, None, None], torch.arange(len(HOST_SIGNALS), device=at_s.device)
    column = names.to(torch.int32)
    part = world.hosts.part(ways(world, levels.seed)[:, None, None], names)
    held = torch.floor(at_s / LOAD_EVERY_S) * LOAD_EVERY_S
    at = torch.where(_is_load(at_s.device), held[..., None], at_s[..., None])
    moves = deviation(part, seed, HOST_PLACE, at_s=at, column=column)
    return world.hosts.at(part.row, part.own * own(seed, HOST_PLACE, column) + levels.noise[:, None, None] * moves)


@cache
def _is_ratio(device: torch.device) -> Tensor:
    return torch.tensor([signal.name.endswith("_ratio") for signal in HOST_SIGNALS], device=device)


@cache
def _is_load(device: torch.device) -> Tensor:
    return torch.tensor(["load" in signal.name for signal in HOST_SIGNALS], device=device)
