"""Turns raw signals into numbers a network likes, inside the exported graph. Pure; imports torch.

Axes: N anything, S slot, C signal. A raw signal is bytes per second or a ratio; missing is NaN. ``asinh(value * gain)`` is linear
near zero and logarithmic beyond the signal's usual size, so a rate of 1e9 and a ratio of 0.01 fit one network. The fitted
numbers are buffers: they travel with the weights, and orderd feeds raw windows.

References:
    rsl_rl rsl_rl/models/mlp_model.py, for exporting the normaliser inside the model.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

CLAMP: Final = 8.0
_STD_MIN: Final = 0.1

SIZE_MIN: Final = {
    "_ratio_per_s": 1e-4,
    "_bytes_per_s": 1e3,
    "_per_s": 1e-2,
    "_per_core": 1e-2,
    "_cores": 1e-2,
    "_count": 1.0,
    "_s": 1e-2,
}
"""Per unit, the size below which a value is noise: a clock that drifts by microseconds must not look stepped."""

_RATIO_SIZE_MIN: Final = 1e-2


def size_min(name: str) -> float:
    """Return the smallest size of a signal that means something, by the unit at the end of its name."""
    return next((size for unit, size in SIZE_MIN.items() if name.endswith(unit)), _RATIO_SIZE_MIN)


class Normaliser(nn.Module):
    """Scales each signal by what training data showed, and says beside it whether it was measured."""

    gain: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        """Start as the identity of scale 1 until ``fit``.

        Args:
            names: C signals, in column order; their units bound the scales.
        """
        super().__init__()
        self._sizes_min = [size_min(name) for name in names]
        self.register_buffer("gain", torch.ones(len(names)))
        self.register_buffer("mean", torch.zeros(len(names)))
        self.register_buffer("std", torch.ones(len(names)))

    def fit(self, values: np.ndarray) -> None:
        """Take scales from training data.

        Args:
            values: [N, C] float32, NaN where missing; columns never measured keep scale 1.
        """
        for column in range(values.shape[1]):
            measured = values[:, column][np.isfinite(values[:, column])].astype(np.float64)
            if measured.size:
                self._fit_column(column, measured)

    def _fit_column(self, column: int, measured: np.ndarray) -> None:
        sizes = np.abs(measured[measured != 0.0])
        gain = 1.0 / max(float(np.median(sizes)), self._sizes_min[column]) if sizes.size else 1.0
        squashed = np.arcsinh(measured * gain)
        self.gain[column] = gain
        self.mean[column] = float(squashed.mean())
        self.std[column] = max(float(squashed.std()), _STD_MIN)

    def forward(self, raw: Tensor) -> Tensor:
        """Scale and mark.

        Args:
            raw: [..., C] float32, NaN where missing.

        Returns:
            [..., 2C]: scaled values (0 where missing), then 1 where measured and 0 where missing.
        """
        missing = torch.isnan(raw)
        filled = torch.where(missing, torch.zeros_like(raw), raw)
        scaled = (torch.asinh(filled * self.gain) - self.mean) / self.std
        scaled = torch.clamp(scaled, -CLAMP, CLAMP)
        measured = 1.0 - missing.to(raw.dtype)
        return torch.cat((scaled * measured, measured), dim=-1)
