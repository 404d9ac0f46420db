"""Who can be asked, and what each says: the network, an exported model, the rules. Runs torch or onnxruntime.

Axes: N example, E entity (padded), S slot, H host signal, F entity signal, C failure class. Every diagnoser answers in the same
shape, so that one piece of code scores them all.
"""

from array import array
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from orderd.diagnosis import by_rules
from orderd.domain.faults import FAILURES
from orderd.inference.session import Model
from ordertrainer.dataset import Examples
from ordertrainer.imitation.views import window_of
from ordertrainer.nets.order import OrderNet

_BATCH: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a diagnoser said.

    Attributes:
        failure: [N,E,C] float32 probabilities; padding says ``ok``.
        wrong: [N] float32 probability.
    """

    failure: NDArray[np.float32]
    wrong: NDArray[np.float32]


def all_ok(examples: Examples) -> NDArray[np.float32]:
    """Return [N,E,C] with probability 1 for ``ok``, to be filled."""
    failure = np.zeros((*examples.kind.shape, len(FAILURES)), np.float32)
    failure[..., 0] = 1.0
    return failure


def by_network(net: OrderNet, examples: Examples, device: torch.device | None = None) -> Predictions:
    """Ask the PyTorch module, in batches.

    Args:
        net: in evaluation mode.
        examples: what to judge.
        device: where the module is.
    """
    failure, wrong = all_ok(examples), np.zeros(len(examples.host), np.float32)
    net.eval()
    with torch.inference_mode():
        for start in range(0, len(wrong), _BATCH):
            part = slice(start, start + _BATCH)
            arrays = (examples.host[part], examples.rows[part], examples.kind[part], examples.present[part])
            said, doubt = net(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays))
            present = examples.present[part]
            failure[part][present] = said.cpu().numpy()[present]
            wrong[part] = doubt.cpu().numpy()
    return Predictions(failure=failure, wrong=wrong)


def by_exported(model: Model, examples: Examples) -> Predictions:
    """Ask the exported model window by window, as orderd-infer does."""
    failure, wrong = all_ok(examples), np.zeros(len(examples.host), np.float32)
    for n in range(len(wrong)):
        there = examples.present[n]
        kinds = array("q", examples.kind[n][there].tolist())
        host = np.ascontiguousarray(examples.host[n], np.float32)
        rows = np.ascontiguousarray(examples.rows[n][there], np.float32)
        answer = model.classify(kinds.tobytes(), host.tobytes(), rows.tobytes())
        failure[n][there] = answer.failure
        wrong[n] = answer.wrong
    return Predictions(failure=failure, wrong=wrong)


def by_rule_diagnoser(examples: Examples) -> Predictions:
    """Ask the rules that orderd falls back to."""
    failure = all_ok(examples)
    for n in range(len(failure)):
        window = window_of(examples, n)
        place = dict(zip(window.entities, np.flatnonzero(examples.present[n]), strict=True))
        for diagnosis in by_rules(window):
            row = failure[n, place[diagnosis.entity]]
            row[0], row[FAILURES.index(diagnosis.failure)] = 0.0, 1.0
    return Predictions(failure=failure, wrong=(failure[..., 0] < 1.0).any(axis=1).astype(np.float32))
