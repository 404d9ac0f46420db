"""Checkpoints of policies: as those of the order model, and of another kind. Reads and writes one file.

What ``ordertrainer.imitation.checkpoint`` promises holds here: replaced in one step, read as weights and plain values only.
"""

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from ordertrainer.files import publish
from ordertrainer.imitation.checkpoint import CheckpointError, read, save
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy.decisions import Decisions
from ordertrainer.policy.playbooks import Playbooks

KIND: Final = "policy"


def save_policy(path: Path, net: PolicyNet, **about: Any) -> None:
    """Write weights and what is known about them; replaces ``path`` in one step."""
    save(path, net, kind=KIND, **about)


def read_policy(path: Path) -> dict[str, Any]:
    """Read a policy's checkpoint as plain values.

    Raises:
        CheckpointError: it cannot be used, or is of something else.
    """
    content = read(path)
    if content.get("kind") != KIND:
        msg = f"{path}: no checkpoint of a policy; make one with `ordertrainer imitate`"
        raise CheckpointError(msg)
    return content


def policy_of(content: dict[str, Any]) -> PolicyNet:
    """Return the network that a checkpoint holds, in evaluation mode."""
    net = PolicyNet(PolicyShape(**content["shape"]))
    net.load_state_dict(content["weights"])
    return net.eval()


def copy_of(net: PolicyNet) -> PolicyNet:
    """Return another network with the same weights, in evaluation mode."""
    twin = PolicyNet(net.shape)
    twin.load_state_dict(net.state_dict())
    return twin.to(_device(net)).eval()


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def catalogue_digest(playbooks: Playbooks) -> str:
    """Return the sha256 of what a policy is trained with: names of faults, and contracts of repairs."""
    world = playbooks.world
    text = "\n".join((*world.fault_names, "", *world.repair_names))
    return hashlib.sha256(text.encode() + playbooks.contracts.cpu().numpy().tobytes()).hexdigest()


def save_moments(path: Path, moments: Decisions) -> None:
    """Write what was kept of one roll-out; replaces ``path`` in one step."""
    part = path.with_name(path.name + ".part")
    torch.save({f.name: getattr(moments, f.name) for f in fields(Decisions)}, part)
    publish(part, path)


def read_moments(path: Path) -> Decisions:
    """Read what was kept of one roll-out.

    Raises:
        CheckpointError: it is missing or no such file.
    """
    try:
        return Decisions(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        msg = f"{path}: what was kept of a roll-out cannot be read; begin again in another --out"
        raise CheckpointError(msg) from error
