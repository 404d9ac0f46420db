"""Checkpoints: weights and where they came from. Reads and writes one file.

Only tensors and plain values are stored, and files are read with ``weights_only=True``: a checkpoint is data from somewhere, and
a pickle would run as code. Files are replaced in one step, so that an interrupted save leaves the previous one.
"""

import pickle
import subprocess
from pathlib import Path
from typing import Any, Final

import torch

from orderd.domain.schema import schema_digest
from ordertrainer.files import publish
from ordertrainer.nets.order import OrderNet, Shape

FORMAT: Final = 1
_MAGIC: Final = b"PK\x03\x04"


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message names the file and what to do."""


def save(path: Path, net: OrderNet, **about: Any) -> None:
    """Write weights and what is known about them.

    Args:
        path: replaced in one step.
        net: whose weights.
        about: plain values and tensors: seed, data digest, epoch, generator states.
    """
    content = {
        "format": FORMAT,
        "schema_digest": schema_digest(),
        "shape": dict(net.shape._asdict()),
        "weights": net.state_dict(),
        **about,
    }
    part = path.with_name(path.name + ".part")
    torch.save(content, part)
    publish(part, path)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint as plain values.

    Raises:
        CheckpointError: it is missing, no checkpoint, holds code, or belongs to another schema.
    """
    try:
        _check_magic(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        msg = f"{path}: {error.strerror}; train one with `ordertrainer train`"
        raise CheckpointError(msg) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        msg = f"{path}: not a checkpoint of weights and plain values; it was not loaded"
        raise CheckpointError(msg) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        msg = f"{path}: checkpoint format is not {FORMAT}; train again with this version"
        raise CheckpointError(msg)
    if content["schema_digest"] != schema_digest():
        found, here = content["schema_digest"][:12], schema_digest()[:12]
        msg = f"{path}: trained on other signals (schema {found}, here {here}); train again"
        raise CheckpointError(msg)
    return content


def _check_magic(path: Path) -> None:
    """Refuse bare pickles unread; what ``save`` writes is an archive."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise pickle.UnpicklingError("not an archive")


def net_of(content: dict[str, Any]) -> OrderNet:
    """Return the network a checkpoint holds, in evaluation mode."""
    net = OrderNet(Shape(**content["shape"]))
    net.load_state_dict(content["weights"])
    return net.eval()


def drills(content: dict[str, Any], path: Path) -> int:
    """Return how many drills a network learned from: recorded, of even chaos, and of chaos that met it.

    Args:
        content: of a checkpoint.
        path: of it, for the message.

    Raises:
        CheckpointError: it was made before they were counted.
    """
    try:
        beside = [content["simulated"], content["drilled"]]
        # Without a share of what is shown, recorded drills only chose the epoch.
        recorded = content["recorded"]["drills"] if sum(part["share"] for part in beside) < 1.0 else 0
        return recorded + sum(part["drills"] for part in beside)
    except KeyError as error:
        raise CheckpointError(f"{path}: does not say how many drills it learned from; train again") from error


def commit() -> str:
    """Return the commit of the sources that run, ``unknown`` outside a checkout."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
