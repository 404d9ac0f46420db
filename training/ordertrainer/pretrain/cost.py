"""What a network charges for a course of seconds, and the codes it was charged for. Imports torch.

Axes: T second, X value of one host that somebody measured (a host signal, or a signal of an entity).
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ordertrainer.nets.codes import codes_of, positions_of
from ordertrainer.nets.next_sample import Bits, NextNet
from ordertrainer.pretrain.moments import Course, Moments

_BATCH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One course in codes.

    Attributes:
        codes: [1 + T, X] float32, 0 to 255, NaN where missing; the first row is what was known before.
        bits: [T, X] float32, what the network charged for each row after the first, 0 where it was not asked.
        asked: [T, X] bool.
        signal: [X] int64, number among host and then entity signals.
    """

    codes: Tensor
    bits: Tensor
    asked: Tensor
    signal: Tensor


def charges(net: NextNet, moments: Moments) -> Bits:
    """Return what the network charges, moment by moment."""
    parts: list[Bits] = []
    net.eval()
    with torch.inference_mode():
        for where in torch.arange(len(moments)).split(_BATCH):
            part = moments.take(where)
            parts.append(net(part.seen, part.next_host, part.next_rows))
    return Bits(*(torch.cat(each) for each in zip(*parts, strict=True)))


def mean_bits(net: NextNet, moments: Moments) -> float:
    """Return the bits a value that a network charges."""
    return float(charges(net, moments).mean())


def table(net: NextNet, course: Course) -> Table:
    """Return a course in the codes of a network, and what it charges for them."""
    charged, (codes, signal) = charges(net, course.moments), coded(net, course)
    asked = _wide(charged.of_host, charged.of_entities)
    some = asked.any(0)
    bits = _wide(charged.host, charged.entities)
    return Table(codes=codes[:, some], bits=bits[:, some], asked=asked[:, some], signal=signal[some])


def coded(net: NextNet, course: Course) -> tuple[Tensor, Tensor]:
    """Return [1 + T, X] codes and [X] signals of a course, of all that its host and entities might measure."""
    moments = course.moments
    codes = _wide(
        codes_of(net.host_positions(_sequence(moments.host[:, 0], moments.next_host))),
        codes_of(positions_of(net.entity.normaliser, _sequence(moments.rows[:, :, 0], moments.next_rows))),
    )
    entities, width = moments.next_rows.shape[1:]
    return codes, torch.cat((torch.arange(net.hosts), net.hosts + torch.arange(width).repeat(entities)))


def _sequence(now: Tensor, nexts: Tensor) -> Tensor:
    return torch.cat((now[:1], nexts))


def _wide(host: Tensor, entities: Tensor) -> Tensor:
    return torch.cat((host, entities.flatten(1)), dim=1)
