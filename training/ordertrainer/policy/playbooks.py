"""The catalogue as training needs it: to simulate, to rank, and to hold rules against. Reads playbooks; imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from orderd.catalogue import load_repairs
from orderd.domain.repairs import Repair
from ordertrainer.nets.contracts import contract_rows
from ordertrainer.sim import Compiled, load_compiled
from ordertrainer.sim.catalogue import PLAYBOOKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbooks:
    """Faults and repairs.

    Attributes:
        world: what is simulated.
        contracts: [R, C] of its repairs, in its order.
        repairs: by name.
    """

    world: Compiled
    contracts: Tensor
    repairs: Mapping[str, Repair]


def load_playbooks(playbooks: Path = PLAYBOOKS, device: torch.device | str = "cpu") -> Playbooks:
    """Read faults and repairs once.

    Args:
        playbooks: holds ``faults`` and ``repairs``.
        device: where tensors go.

    Raises:
        CatalogueError: a folder cannot be read.
    """
    world, repairs = load_compiled(playbooks), load_repairs(playbooks / "repairs").repairs
    contracts = contract_rows([repairs[name] for name in world.repair_names])
    return Playbooks(world=world.to(device), contracts=contracts.to(device), repairs=repairs)
