"""Temperature scaling: makes a probability of 0.8 come true eight times in ten. Pure; imports torch.

References:
    Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
"""

from typing import Final

import numpy as np
import torch
from torch.nn import functional as nnf

from ordertrainer.dataset import IGNORE, Examples
from ordertrainer.nets.order import OrderNet

_BATCH: Final = 512
_STEPS: Final = 50
TEMPERATURE_MIN: Final = 1.0
TEMPERATURE_MAX: Final = 5.0


def calibrate(net: OrderNet, tune: Examples) -> float:
    """Fit the network's temperature on the tune split and put it into the network.

    Args:
        net: trained; its weights stay as they are.
        tune: examples the training did not see, with their natural share of quiet windows.

    Returns:
        The temperature; above 1 the network was too sure of itself.
    """
    logits, truth = _judged_logits(net, tune)
    log_temperature = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = nnf.cross_entropy(logits / log_temperature.exp(), truth)
        value.backward()
        return value

    optimiser.step(closure)
    # A separable tune set would drive the temperature to zero: more certainty than a few drills can vouch for.
    temperature = float(log_temperature.detach().exp().clamp(TEMPERATURE_MIN, TEMPERATURE_MAX))
    net.temperature.fill_(temperature)
    return temperature


def _judged_logits(net: OrderNet, tune: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    """Return [verdict, C] logits and [verdict] classes over all judged entities."""
    net.eval()
    device = net.temperature.device
    logits: list[torch.Tensor] = []
    truth: list[torch.Tensor] = []
    with torch.no_grad():
        for start in range(0, len(tune.host), _BATCH):
            part = slice(start, start + _BATCH)
            arrays = (tune.host[part], tune.rows[part], tune.kind[part], tune.present[part])
            said = net.logits(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays)).failure.cpu()
            failure = torch.from_numpy(np.ascontiguousarray(tune.failure[part]))
            judged = (failure != IGNORE) & torch.from_numpy(np.ascontiguousarray(tune.present[part]))
            logits.append(said[judged])
            truth.append(failure[judged])
    return torch.cat(logits), torch.cat(truth)
