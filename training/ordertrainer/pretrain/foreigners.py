"""What the next sample of foreign telemetry costs: the network beside its peers, on the same codes. Imports torch.

Every row says what it was fitted to. "Nothing here" means that nobody saw a value of this telemetry before it was charged for it:
the weights that ship, the last value, xz. "Train part" means that the same architecture, or a linear forecast, was fitted to what
the authors of the data set, or the clock, put before the part that is scored.

Axes: T sample, C channel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ordertrainer.nets.mixture import probabilities
from ordertrainer.nets.next_sample import NextNet
from ordertrainer.pretrain import peers
from ordertrainer.pretrain.alphabet import Alphabet
from ordertrainer.pretrain.fitted import Fit, Forecast, ForeignNet, fit, windows, zero_shot
from ordertrainer.pretrain.foreign import Stream

NOTHING, TRAIN_PART = "nothing here", "train part"
_CHUNK: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to tell the next sample.

    Attributes:
        fitted_to: NOTHING or TRAIN_PART.
        forecast: of one stream: codes [T, C] -> function of a range of samples -> probabilities [n, C, 256].
        remembers: its alphabet begins with what the train part showed.
    """

    fitted_to: str
    forecast: Callable[[Tensor], Callable[[range], Tensor]]
    remembers: bool = False


def score(streams: Sequence[Stream], net: NextNet, settings: Fit | None, tick: Callable[[str, float], None]) -> dict[str, Any]:
    """Return the bits a value of everybody, with and without the codes that a channel showed before.

    Args:
        streams: of one file.
        net: whose weights ship.
        settings: how the same architecture is fitted to the train parts; None: it is not.
        tick: told what is done, and which share of it.
    """
    own = fit([_tensor(s.fitted) for s in streams], settings, lambda share: tick("fitting", share)) if settings else None
    arms = _arms(streams, net, own)
    rows: dict[str, Any] = {}
    for name, arm in arms.items():
        sums = torch.zeros(2, dtype=torch.float64)
        for number, stream in enumerate(streams):
            sums += _charged(arm, stream)
            tick(name, (number + 1) / len(streams))
        rows[name] = {"fitted_to": arm.fitted_to, "bits": sums[0].item(), "bits_with_alphabet": sums[1].item()}
    values = sum(stream.scored.size for stream in streams)
    rows = {name: {k: round(v / values, 4) if isinstance(v, float) else v for k, v in row.items()} for name, row in rows.items()}
    columns = [np.ascontiguousarray(column) for stream in streams for column in stream.scored.T]
    rows[peers.XZ] = {"fitted_to": NOTHING, "bits": round(peers.xz_bits(columns) / values, 4)}
    return {"streams": len(streams), "values": values, "rows": rows}


def _arms(streams: Sequence[Stream], net: NextNet, own: ForeignNet | None) -> Mapping[str, Arm]:
    channels = streams[0].fitted.shape[1]
    each = torch.arange(channels)
    regression = peers.fit([(_tensor(stream.fitted), each) for stream in streams], channels)

    def persistent(codes: Tensor) -> Callable[[range], Tensor]:
        return _from_mixture(peers.persistence(codes))

    def regressed(codes: Tensor) -> Callable[[range], Tensor]:
        return _from_mixture(regression.forecast(codes, each))

    arms = {
        "network, zero-shot": Arm(fitted_to=NOTHING, forecast=lambda codes: _from_network(zero_shot(net), codes)),
        peers.PERSISTENCE: Arm(fitted_to=NOTHING, forecast=persistent),
        peers.AUTOREGRESSION: Arm(fitted_to=TRAIN_PART, forecast=regressed, remembers=True),
    }
    if own is not None:
        ours = own.forecast
        arms["network, fitted"] = Arm(fitted_to=TRAIN_PART, forecast=lambda codes: _from_network(ours, codes), remembers=True)
    return arms


def _from_mixture(mixture: peers.Mixture) -> Callable[[range], Tensor]:
    """Row 0 of a forecast is of sample 1."""

    def chunk(samples: range) -> Tensor:
        part = slice(samples.start - 1, samples.stop - 1)
        return probabilities(peers.Mixture(*(each[part] for each in mixture)))

    return chunk


def _from_network(forecast: Forecast, codes: Tensor) -> Callable[[range], Tensor]:
    def chunk(samples: range) -> Tensor:
        at = torch.tensor(samples)
        return forecast(windows(codes, at), codes[at])

    return chunk


def _charged(arm: Arm, stream: Stream) -> Tensor:
    """Return the bits of a stream's scored part, plain and with the alphabet; its first sample costs everybody whole bytes."""
    codes, before = _tensor(stream.scored), _tensor(stream.fitted)
    whole = codes.to(torch.int64)
    alphabet = Alphabet(whole, before.to(torch.int64) if arm.remembers else None)
    sums = torch.full((2,), 8.0 * codes.shape[1], dtype=torch.float64)
    with torch.inference_mode():
        chunk = arm.forecast(codes)
        for start in range(1, len(codes), _CHUNK):
            samples = range(start, min(start + _CHUNK, len(codes)))
            told, truth = chunk(samples), whole[samples.start : samples.stop]
            sums[0] -= told.gather(-1, truth.unsqueeze(-1)).log2().sum(dtype=torch.float64)
            sums[1] += alphabet.bits(told, truth, start).sum(dtype=torch.float64)
    return sums


def _tensor(codes: np.ndarray) -> Tensor:
    return torch.from_numpy(codes).to(torch.float32)
