"""What the next second of hosts costs: the network beside its peers, on the same values. Imports torch.

Everybody is charged for the same values: those that were measured, of things that were already there a second before. The first
seconds of every course are given and charged to nobody, so that who goes by what lately was has something to go by.

Axes: T second, X value.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ordertrainer.nets.mixture import Mixture, bits
from ordertrainer.pretrain.cost import Table
from ordertrainer.pretrain.peers import AUTOREGRESSION, PERSISTENCE, XZ, Autoregression, persistence, xz_bits

NETWORK: Final = "network"
WARM_S: Final = 16
RESAMPLES: Final = 1000


def score(tables: Sequence[Table], regression: Autoregression, seed: int, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the bits a value of the network and of its peers.

    Args:
        tables: courses in codes, and what the network charged.
        regression: fitted to other courses.
        seed: of the intervals.
        resamples: of courses, for the intervals.

    Returns:
        By name ``bits`` with ``low`` and ``high`` (95 %, by course; none for xz, which compresses all of them as one), and
        ``values`` and ``courses``.
    """
    long = [table for table in tables if table.asked[WARM_S:].any()]
    charged = {
        NETWORK: [_sum(table.bits, table) for table in long],
        PERSISTENCE: [_sum(_charge(persistence(table.codes), table), table) for table in long],
        AUTOREGRESSION: [_sum(_charge(regression.forecast(table.codes, table.signal), table), table) for table in long],
    }
    counts = np.array([int(table.asked[WARM_S:].sum()) for table in long], np.float64)
    columns = [column for table in long for column in _columns(table)]
    found: dict[str, Any] = {name: _interval(np.array(sums), counts, seed, resamples) for name, sums in charged.items()}
    found[XZ] = {"bits": xz_bits(columns) / max(1.0, counts.sum())}
    return {"values": int(counts.sum()), "courses": len(long), "bits_per_value": found}


def by_signal(tables: Sequence[Table], names: Sequence[str]) -> Mapping[str, float]:
    """Return the bits a value that the network charged for each signal."""
    total, count = torch.zeros(len(names)), torch.zeros(len(names))
    for table in tables:
        total.index_add_(0, table.signal, (table.bits * table.asked)[WARM_S:].sum(0))
        count.index_add_(0, table.signal, table.asked[WARM_S:].sum(0).to(count.dtype))
    return {name: round(float(total[n] / count[n]), 4) for n, name in enumerate(names) if count[n]}


def _charge(forecast: Mixture, table: Table) -> Tensor:
    return bits(forecast, torch.nan_to_num(table.codes[1:]))


def _sum(charged: Tensor, table: Table) -> float:
    return float((charged * table.asked)[WARM_S:].sum(dtype=torch.float64))


def _columns(table: Table) -> list[NDArray[np.uint8]]:
    codes, asked = table.codes[1 + WARM_S :].numpy(), table.asked[WARM_S:].numpy()
    return [codes[asked[:, x], x].astype(np.uint8) for x in range(codes.shape[1])]


def _interval(sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int, resamples: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(sums), (resamples, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return {"bits": round(float(sums.sum() / counts.sum()), 5), "low": round(float(low), 5), "high": round(float(high), 5)}
