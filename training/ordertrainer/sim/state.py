"""The state of many hosts at one moment each. Values, and what follows from them at once; imports torch.

Axes: L lane, N host (last in what is stepped, so that a step works on contiguous memory), D cure, E slot, F and H signals.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ordertrainer.sim import baseline
from ordertrainer.sim.attempts import Attempts
from ordertrainer.sim.levels import NEVER_S, Levels
from ordertrainer.sim.tables import Compiled, Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Tensors):
    """What catalogue and level say of each lane, looked up once; bool unless said otherwise.

    Attributes:
        slot: [L, N] int8.
        onset_s: [L, N] float32.
        breaks_after_s: [L, N] float32.
        cure: [D, L, N] int8, R where there are no more.
        cures: [L, N] int8, how many.
        behind, sick, decoy, starts, held: [L, N]
        beneath: [L, L, N] the first lane's slot is what the second lane's entity rests on.
    """

    HOSTS: ClassVar[int] = -1

    slot: Tensor
    onset_s: Tensor
    breaks_after_s: Tensor
    cure: Tensor
    cures: Tensor
    behind: Tensor
    sick: Tensor
    decoy: Tensor
    starts: Tensor
    held: Tensor
    beneath: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Tensors):
    """What is measured in order.

    Attributes:
        base: [N, E, F] by entities, NaN where they cannot.
        host: [N, H] of the host, likewise.
    """

    base: Tensor
    host: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes(Tensors):
    """What is there now, all [L, N] bool.

    Attributes:
        front: it is there, and not hidden behind another one.
        sick: it is there, hidden or not, and a fault.
        breaks: it is in front, and what rests on its entity is broken by now.
    """

    HOSTS: ClassVar[int] = -1

    front: Tensor
    sick: Tensor
    breaks: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Tensors):
    """N hosts.

    Attributes:
        levels: what was drawn for them.
        scene: what they measure in order.
        known: what is known of their lanes.
        lanes: what is there now.
        at_s: [N] since the episode began.
        shows_s: [L, N] when each lane begins to show: what is behind another one, once that one has ended.
        ended_s: [L, N] when each fault or decoy ended or will by itself.
        cures_left: [L, N] int8 cures that were not tried in vain.
        repair, target: [N] int8 what ran last, and on which slot.
        began_s: [N] when it began.
        runs_until_s: [N] end of its playbook.
        busy_until_s: [N] end of its verification.
        attempts: what was tried.
    """

    HOSTS: ClassVar[int] = -1

    levels: Levels
    scene: Scene
    known: Known
    lanes: Lanes
    at_s: Tensor
    shows_s: Tensor
    ended_s: Tensor
    cures_left: Tensor
    repair: Tensor
    target: Tensor
    began_s: Tensor
    runs_until_s: Tensor
    busy_until_s: Tensor
    attempts: Attempts

    def __len__(self) -> int:
        """Return N."""
        return len(self.at_s)

    @property
    def idle(self) -> Tensor:
        """Return [N] bool: no repair runs or is being verified."""
        return self.at_s >= self.busy_until_s


def begin(world: Compiled, levels: Levels) -> State:
    """Return hosts at the beginning of their episodes."""
    count, device = len(levels), levels.seed.device
    base, host = baseline.draw(world, levels)
    known = know(world, levels)
    at_s = torch.zeros(count, device=device)
    shows_s = known.onset_s.masked_fill(known.behind, NEVER_S)
    ended_s = levels.ends_s.T.contiguous()
    none = torch.zeros(count, dtype=torch.int8, device=device)
    return State(
        levels=levels,
        scene=Scene(base=base, host=host),
        known=known,
        lanes=look(known, at_s, shows_s, ended_s),
        at_s=at_s,
        shows_s=shows_s,
        ended_s=ended_s,
        cures_left=known.cures.clone(),
        repair=none + world.no_repair,
        target=none,
        began_s=torch.full_like(at_s, NEVER_S),
        runs_until_s=torch.full_like(at_s, NEVER_S),
        busy_until_s=at_s.clone(),
        attempts=Attempts.none(world, count, device),
    )


def know(world: Compiled, levels: Levels) -> Known:
    """Look up what the catalogue says of each lane."""
    faults, fault = world.faults, levels.fault.T.contiguous()
    ground, slot = levels.rests_on.gather(1, levels.slot).T, levels.slot.T.contiguous()
    return Known(
        slot=slot.to(torch.int8),
        onset_s=levels.onset_s.T.contiguous(),
        breaks_after_s=faults.breaks_after_s[fault],
        cure=faults.cure[fault].permute(2, 0, 1).to(torch.int8).contiguous(),
        cures=faults.cure_count[fault].to(torch.int8),
        behind=levels.behind.T.contiguous(),
        sick=faults.sick[fault],
        decoy=faults.decoy[fault],
        starts=faults.starts[fault],
        held=faults.held[fault],
        beneath=(slot[:, None] == ground[None]).contiguous(),
    )


def look(known: Known, at_s: Tensor, shows_s: Tensor, ended_s: Tensor) -> Lanes:
    """Return what is there at a moment."""
    lasts = at_s < ended_s
    front = (shows_s <= at_s) & lasts
    return Lanes(
        front=front,
        sick=(known.onset_s <= at_s) & lasts & known.sick,
        breaks=(shows_s + known.breaks_after_s <= at_s) & front,
    )
