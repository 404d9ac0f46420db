"""What faults do to the host as a whole: processor, memory, disks, network. Pure; imports torch.

A process that takes two cores takes them from somebody: the host's own signals follow from what its processes show, so that the
two never contradict each other. What processes do not show (writes, packets, load) the contracts' witnesses say.

Axes: N host, S slot of the window, H host signal.
"""

from dataclasses import dataclass
from functools import cache
from math import tau
from typing import Final, Self

import torch
from torch import Tensor

from orderd.domain.signals import HOST_INDEX, HOST_SIGNALS
from ordertrainer.sim.baseline import HOST_PLACE
from ordertrainer.sim.healthy import HOST
from ordertrainer.sim.levels import Levels
from ordertrainer.sim.noise import centred, columns, hashed
from ordertrainer.sim.tables import Compiled

LOAD_RISES_S: Final = 60.0
"""The load average over a minute."""
RISES_S: Final = 0.5
WAVE_S: Final = (30.0, 300.0)
"""Periods of a host's own ups and downs."""
WAVE_MAX: Final = 0.5
ROOM: Final = 0.85
"""From this share of all cores on somebody waits, and always from as much more as SCARCE on."""
SCARCE: Final = 0.5
_MOST: Final = 0.99
_RISE_PLACE: Final = HOST_PLACE + 1
_USER, _SYSTEM, _WAITING, _MEMORY = (
    HOST_INDEX[name] for name in ("cpu_user_ratio", "cpu_system_ratio", "pressure_cpu_ratio", "memory_used_ratio")
)
_WAVY: Final = ("cpu_user_ratio", "cpu_system_ratio", "load_per_core", "net_receive_bytes_per_s", "net_send_bytes_per_s")


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


def render(levels: Levels, base: Tensor, at_s: Tensor, strain: Strain) -> tuple[Tensor, Tensor]:
    """Return [N, S, H] the host's signals, and [N, S] how much of the time somebody waits for a processor, measured or not."""
    host = base[:, None] * _varying(levels, at_s) + strain.more
    taken = strain.cores / levels.cores[:, None, None]
    wanted = host[..., _USER] + host[..., _SYSTEM] + taken.sum(-1)
    waiting = ((wanted - ROOM) / SCARCE).clamp(0.0, 0.95)
    scale = (_MOST / wanted.clamp(min=_MOST))[..., None]
    host[..., [_USER, _SYSTEM]] = (host[..., [_USER, _SYSTEM]] + taken) * scale
    host[..., _WAITING] += waiting
    host[..., _MEMORY] += strain.memory
    return torch.where(_is_ratio(host.device), host.clamp(0.0, _MOST), host.clamp(min=0.0)), waiting


def _varying(levels: Levels, at_s: Tensor) -> Tensor:
    """Return [N, S, H] factors: noise from second to second, and slow ups and downs that are the host's own."""
    unit = columns(hashed(levels.seed[:, None], HOST_PLACE, at_s.to(torch.int32)), len(HOST_SIGNALS))
    noise = 1.0 + _noises(unit.device) * levels.noise[:, None, None] * centred(unit)
    period, phase, height = columns(hashed(levels.seed, _RISE_PLACE), 3).unbind(-1)
    period_s = WAVE_S[0] + (WAVE_S[1] - WAVE_S[0]) * period
    wave = height[:, None] * WAVE_MAX * torch.sin(tau * (at_s / period_s[:, None] + phase[:, None]))
    return noise.clamp(min=0.0) * (1.0 + _wavy(unit.device) * wave[..., None])


@cache
def _noises(device: torch.device) -> Tensor:
    return torch.tensor([HOST[signal.name].noise for signal in HOST_SIGNALS], device=device)


@cache
def _wavy(device: torch.device) -> Tensor:
    return torch.tensor([float(signal.name in _WAVY) for signal in HOST_SIGNALS], device=device)


@cache
def _is_ratio(device: torch.device) -> Tensor:
    return torch.tensor([signal.name.endswith("_ratio") for signal in HOST_SIGNALS], device=device)


@cache
def _is_load(device: torch.device) -> Tensor:
    return torch.tensor(["load" in signal.name for signal in HOST_SIGNALS], device=device)
