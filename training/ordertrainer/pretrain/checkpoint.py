"""Checkpoints of pretrained weights, and what begins with them. Reads and writes one file.

What ``ordertrainer.imitation.checkpoint`` promises holds here: replaced in one step, read as weights and plain values only.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from torch import nn

from ordertrainer.imitation.checkpoint import CheckpointError, read, save
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.nets.order import Shape

KIND: Final = "next sample"
TRUNK: Final = ("host.", "entity.", "kind.", "blocks.")
"""What the order model, the policy and the next sample have in common, by the beginnings of its weights' names."""


def save_pretrained(path: Path, net: NextNet, **about: Any) -> None:
    """Write weights and what is known about them; replaces ``path`` in one step."""
    save(path, net, kind=KIND, **about)


def read_pretrained(path: Path) -> dict[str, Any]:
    """Read pretrained weights as plain values.

    Raises:
        CheckpointError: they cannot be used, or are of something else.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; make one with `ordertrainer pretrain`")
    content = read(path)
    if content.get("kind") != KIND:
        raise CheckpointError(f"{path}: no pretrained weights; make some with `ordertrainer pretrain`")
    return content


def net_of(content: dict[str, Any]) -> NextNet:
    """Return the network that a checkpoint holds, in evaluation mode."""
    net = NextNet(Shape(**content["shape"]))
    net.load_state_dict(content["weights"])
    return net.eval()


def copy_of(net: NextNet) -> NextNet:
    """Return another network with the same weights, in evaluation mode."""
    twin = NextNet(net.shape)
    twin.load_state_dict(net.state_dict())
    return twin.eval()


def sha256_of(path: Path) -> str:
    """Return the sha256 of pretrained weights' file.

    Raises:
        CheckpointError: there is no such file.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; make one with `ordertrainer pretrain`") from error


def begin_with(net: nn.Module, path: Path) -> None:
    """Put pretrained encoders, blocks and scales into an order model or a policy of the same sizes.

    Args:
        net: its heads stay as they are.
        path: of ``ordertrainer pretrain``.

    Raises:
        CheckpointError: the file cannot be used, or the sizes differ.
    """
    weights = {name: value for name, value in read_pretrained(path)["weights"].items() if name.startswith(TRUNK)}
    mine = net.state_dict()
    if wrong := [name for name, value in weights.items() if name not in mine or mine[name].shape != value.shape]:
        raise CheckpointError(f"{path}: {wrong[0]} has another size than here; pretrain with the shape that is trained")
    net.load_state_dict(mine | weights)
