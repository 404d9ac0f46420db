"""What the next sample of foreign telemetry costs: the network beside its peers, on the same codes. Imports torch.

Every row says what it was fitted to. "Nothing here": nobody saw a value of this telemetry before it was charged for it. So it is
with the weights that ship, the last value, and xz; codes that a channel has shown are known from then on (`alphabet`). "Train
part": the same architecture, or a linear forecast, was fitted to what the authors of the data set, or the clock, put before the
part that is scored; both tell ranks among the codes of that part.

Axes: T sample, C channel.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ordertrainer.nets.mixture import Mixture, bits, probabilities
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.pretrain import peers
from ordertrainer.pretrain.alphabet import Alphabet, Ranks
from ordertrainer.pretrain.fitted import Fit, ForeignNet, fit, windows, zero_shot
from ordertrainer.pretrain.foreign import Stream

NOTHING, TRAIN_PART = "nothing here", "train part"
ZERO_SHOT, FITTED = "network, zero-shot", "network, fitted"
_CHUNK: Final = 64

Tick = Callable[[str, float], None]
Forecast = Callable[[range], Tensor]
"""Samples of a stream -> probabilities [n, C, 256]."""


def score(streams: Sequence[Stream], net: NextNet, settings: Fit | None, tick: Tick) -> dict[str, Any]:
    """Return the bits a value of everybody.

    Args:
        streams: of one file.
        net: whose weights ship.
        settings: how the same architecture is fitted to the train parts; None: it is not.
        tick: told what is done, and which share of it.

    Returns:
        ``rows`` by name: ``fitted_to``, ``bits``, and where there is such a thing ``bits_of_256``, as if all codes were in use.
    """
    values = sum(stream.scored.size for stream in streams)
    columns = [np.ascontiguousarray(column) for stream in streams for column in stream.scored.T]
    rows: dict[str, Any] = {
        peers.XZ: {"fitted_to": NOTHING, "bits": peers.xz_bits(columns) / values},
        peers.PERSISTENCE: _unfitted(streams, _persistent, lambda share: tick(peers.PERSISTENCE, share)),
        ZERO_SHOT: _unfitted(streams, lambda codes: _told(net, codes), lambda share: tick(ZERO_SHOT, share)),
    }
    rows |= _fitted(streams, settings, tick)
    return {"streams": len(streams), "values": values, "rows": {name: _rounded(row) for name, row in rows.items()}}


def _unfitted(
    streams: Sequence[Stream], forecaster: Callable[[Tensor], Forecast], tick: Callable[[float], None]
) -> dict[str, Any]:
    sums, values = torch.zeros(2, dtype=torch.float64), 0
    for number, stream in enumerate(streams, start=1):
        codes = _tensor(stream.scored)
        sums += _paid(forecaster(codes), codes.to(torch.int64))
        values += codes.numel()
        tick(number / len(streams))
    return {"fitted_to": NOTHING, "bits": float(sums[1]) / values, "bits_of_256": float(sums[0]) / values}


def _paid(forecast: Forecast, codes: Tensor) -> Tensor:
    """Return what a stream costs, spread over all codes and over those that were shown; the first sample is paid in bytes."""
    alphabet, sums = Alphabet(codes), torch.full((2,), 8.0 * codes.shape[1], dtype=torch.float64)
    with torch.inference_mode():
        for start in range(1, len(codes), _CHUNK):
            samples = range(start, min(start + _CHUNK, len(codes)))
            told, truth = forecast(samples), codes[samples.start : samples.stop]
            sums[0] -= told.gather(-1, truth.unsqueeze(-1)).log2().sum(dtype=torch.float64)
            sums[1] += alphabet.bits(told, truth, start).sum(dtype=torch.float64)
    return sums


def _persistent(codes: Tensor) -> Forecast:
    mixture = peers.persistence(codes)
    # Row 0 of a forecast is of sample 1.
    return lambda samples: probabilities(Mixture(*(each[samples.start - 1 : samples.stop - 1] for each in mixture)))


def _told(net: NextNet, codes: Tensor) -> Forecast:
    forecast = zero_shot(net)

    def chunk(samples: range) -> Tensor:
        at = torch.tensor(samples)
        return forecast(windows(codes, at), codes[at])

    return chunk


def _fitted(streams: Sequence[Stream], settings: Fit | None, tick: Tick) -> dict[str, Any]:
    """Return the rows of those who are fitted to the train parts."""
    ranks = Ranks(torch.cat([_tensor(stream.fitted) for stream in streams]).to(torch.int64))
    shown, asked = ([ranks.of(_tensor(part).to(torch.int64)).float() for part in parts] for parts in _parts(streams))
    each = torch.arange(shown[0].shape[1])
    regression = peers.fit([(part, each) for part in shown], len(each))
    arms = {peers.AUTOREGRESSION: lambda codes: bits(regression.forecast(codes, each), codes[1:])}
    if settings is not None:
        own = fit(shown, settings, lambda share: tick("fitting", share))
        arms[FITTED] = lambda codes: _costs(own, codes)
    rows: dict[str, Any] = {}
    for name, arm in arms.items():
        total, values = 0.0, 0
        for number, (stream, codes) in enumerate(zip(streams, asked, strict=True), start=1):
            with torch.inference_mode():
                paid = ranks.bits(arm(codes), _tensor(stream.scored)[1:].to(torch.int64))
            total += float(paid.sum(dtype=torch.float64)) + 8.0 * len(each)
            values += codes.numel()
            tick(name, number / len(streams))
        rows[name] = {"fitted_to": TRAIN_PART, "bits": total / values}
    return rows


def _costs(net: ForeignNet, codes: Tensor) -> Tensor:
    """Return [T - 1, C] bits of all samples after the first."""
    every = torch.arange(1, len(codes)).split(_CHUNK)
    return torch.cat([net.cost(windows(codes, at), codes[at]) for at in every])


def _parts(streams: Sequence[Stream]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [stream.fitted for stream in streams], [stream.scored for stream in streams]


def _tensor(codes: np.ndarray) -> Tensor:
    return torch.from_numpy(codes).to(torch.float32)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
