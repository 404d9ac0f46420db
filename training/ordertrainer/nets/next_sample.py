"""What comes next: a distribution for every signal of the next sample, in 8 bits. Pure; imports torch.

Axes: B window, E entity, S slot (newest first), C signal of one thing (H of a host, F of an entity), V value that was measured,
K component of a mixture. A thing is a host or an entity.

A signal's code is one of 256 steps of its normalised value, 16 to a standard deviation. Its next code follows a mixture of
logistic distributions, cut into those steps. Two parts say which: the token of the order model says what is going on (context),
and the signal's own slots say where it is and how much it moves (series). All but one component are told in multiples of that
movement and from where the signal is, so one small network serves every signal, and also one that it has no name for. Within a
thing signals are told one after another in column order, each knowing those before it. What is missing is told by nobody and
costs nothing; a slot that is missing says so.

References:
    Salimans et al. 2017, PixelCNN++, section 2.1, for the mixture. Uria et al. 2016, Neural Autoregressive Distribution
    Estimation, section 2, for signals one after another by a running sum.
"""

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from orderd.domain.faults import KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, Signal
from ordertrainer.nets.codes import CODES, FAR, SERIES, Series, codes_of, positions_of, series
from ordertrainer.nets.mixture import Mixture, bits
from ordertrainer.nets.order import Block, Encoder, Shape, mixed

_SCALES: Final = (-3.0, -1.0, 0.0, 1.5)
"""Logarithms of the scales with which the components begin that are told in multiples of a signal's movement."""
_SCALE_MIN, _SCALE_MAX = math.log(0.03), math.log(128.0)
_AT_A_LEVEL: Final = 2.0
"""Codes: the scale with which the component begins that is told as a level."""
COMPONENTS: Final = len(_SCALES) + 1
_NAME, _CONTEXT, _SAID = 16, 32, 16


class Things(NamedTuple):
    """Hosts, or entities, of which the next sample is asked.

    Attributes:
        slots: [..., S, C] codes, NaN where missing.
        nexts: [..., C] codes of the next sample, NaN where missing; each signal is told from those before it.
        context: [..., 2D] of the order model.
        named: [...] bool, names and context are known.
        first: number of the first of these signals among all of the head's.
    """

    slots: Tensor
    nexts: Tensor
    context: Tensor
    named: Tensor
    first: int


class NextHead(nn.Module):
    """Turns context and series into mixtures."""

    def __init__(self, signals: int, shape: Shape) -> None:
        """Build for so many signals with names.

        Args:
            signals: C; a name is 1 to C, 0 is a signal without one.
            shape: of the order model whose tokens are the context.
        """
        super().__init__()
        self.name = nn.Embedding(signals + 1, _NAME)
        self.context = nn.Linear(2 * shape.width, _CONTEXT)
        self.said = nn.Parameter(0.1 * torch.randn(signals, 3, _SAID))
        self.net = nn.Sequential(
            nn.Linear(SERIES + _NAME + _CONTEXT + _SAID, shape.hidden),
            nn.GELU(),
            nn.Linear(shape.hidden, shape.hidden),
            nn.GELU(),
            nn.Linear(shape.hidden, 3 * COMPONENTS),
        )

    def of(self, things: Things, where: Tensor) -> Mixture:
        """Return the distributions of those signals of some things that are asked for.

        Args:
            things: hosts, or entities.
            where: [..., C] bool, V of them are true.
        """
        found = series(things.slots)
        told = self._told(found, things)[where]
        *place, signal = where.nonzero(as_tuple=True)
        named = things.named[tuple(place)].unsqueeze(-1)
        return self._mixture(
            Series(found.base[where], found.spread[where], found.features[where]),
            name=(things.first + 1 + signal) * named.squeeze(-1),
            context=self.context(things.context)[tuple(place)] * named,
            told=told * named,
        )

    def _told(self, found: Series, things: Things) -> Tensor:
        """Return [..., C, said]: for each signal what those before it have turned out to be."""
        measured = ~torch.isnan(things.nexts)
        moved = torch.where(measured, things.nexts + 0.5, found.base) - found.base
        moved = (moved / found.spread).clamp(-FAR, FAR)
        facts = torch.stack((moved, moved.abs(), measured.to(moved.dtype)), dim=-1)
        said = self.said[things.first : things.first + moved.shape[-1]]
        each = torch.einsum("...cf,cfs->...cs", facts, said)
        return nnf.pad(each.cumsum(dim=-2)[..., :-1, :], (0, 0, 1, 0))

    def _mixture(self, found: Series, *, name: Tensor, context: Tensor, told: Tensor) -> Mixture:
        """Return the distributions of V values, from one row each."""
        out = self.net(torch.cat((found.features, self.name(name), context, told), dim=-1))
        weight, place, scale = out.chunk(3, dim=-1)
        base, spread = found.base.unsqueeze(-1), found.spread.unsqueeze(-1)
        near = base + spread * place[:, :-1]
        level = CODES * torch.sigmoid(place[:, -1:])
        begin = torch.tensor(_SCALES, dtype=scale.dtype, device=scale.device)
        log_scale = torch.cat((spread.log() + begin + scale[:, :-1], scale[:, -1:] + math.log(_AT_A_LEVEL)), dim=-1)
        return Mixture(
            log_weight=torch.log_softmax(weight, dim=-1),
            mean=torch.cat((near, level), dim=-1),
            log_scale=log_scale.clamp(_SCALE_MIN, _SCALE_MAX),
        )


class Seen(NamedTuple):
    """B windows, as in ``OrderNet.forward``.

    Attributes:
        host: [B, S, H] float32, NaN where missing.
        entities: [B, E, S, F] float32, NaN where missing.
        kind: [B, E] int64.
        present: [B, E] bool.
    """

    host: Tensor
    entities: Tensor
    kind: Tensor
    present: Tensor


class Bits(NamedTuple):
    """What the next sample costs; 0 where nothing was measured.

    Attributes:
        host: [B, H].
        entities: [B, E, F].
        of_host: [B, H] bool, was measured.
        of_entities: [B, E, F] bool.
    """

    host: Tensor
    entities: Tensor
    of_host: Tensor
    of_entities: Tensor

    def mean(self) -> Tensor:
        """Return the bits a value."""
        count = self.of_host.sum() + self.of_entities.sum()
        return (self.host.sum() + self.entities.sum()) / count.clamp(min=1)


class NextNet(nn.Module):
    """The order model's encoders and blocks, under the same names, with a head for the next sample."""

    def __init__(self, shape: Shape | None = None, host_signals: tuple[Signal, ...] = HOST_SIGNALS) -> None:
        """Build with random weights.

        Args:
            shape: of the order model that shall begin with these weights.
            host_signals: of hosts that are not ours.
        """
        super().__init__()
        self.shape = shape or Shape()
        self.hosts = len(host_signals)
        self.host = Encoder(host_signals, self.shape)
        self.entity = Encoder(ENTITY_SIGNALS, self.shape)
        self.kind = nn.Embedding(len(KINDS), self.shape.width)
        self.blocks = nn.ModuleList(Block(self.shape) for _ in range(self.shape.layers))
        self.head = NextHead(self.hosts + len(ENTITY_SIGNALS), self.shape)

    def host_positions(self, raw: Tensor) -> Tensor:
        """Return [..., H] positions of a host's raw signals, from 0 to 256."""
        return positions_of(self.host.normaliser, raw)

    def forward(self, seen: Seen, next_host: Tensor, next_rows: Tensor, nameless: Tensor | None = None) -> Bits:
        """Return what the next sample costs.

        Args:
            seen: windows.
            next_host: [B, H] raw signals of the next sample, NaN where missing.
            next_rows: [B, E, F] likewise.
            nameless: [B] bool, windows of which neither names nor context are known; none by default.
        """
        own = self.entity(seen.entities) + self.kind(seen.kind)
        whole = self.host(seen.host)
        tokens = mixed(self.blocks, whole, own, seen.present)
        named = torch.ones(len(whole), dtype=torch.bool, device=whole.device) if nameless is None else ~nameless
        host, of_host = self._cost(
            Things(
                slots=codes_of(self.host_positions(seen.host)),
                nexts=codes_of(self.host_positions(next_host)),
                context=torch.cat((whole, tokens[:, 0]), dim=-1),
                named=named,
                first=0,
            )
        )
        of_entity = self.entity.normaliser
        entities, of_entities = self._cost(
            Things(
                slots=codes_of(positions_of(of_entity, seen.entities)),
                nexts=codes_of(positions_of(of_entity, torch.where(seen.present.unsqueeze(-1), next_rows, torch.nan))),
                context=torch.cat((own, tokens[:, 1:]), dim=-1),
                named=named.unsqueeze(-1).expand(seen.present.shape),
                first=self.hosts,
            )
        )
        return Bits(host=host, entities=entities, of_host=of_host, of_entities=of_entities)

    def nameless(self, slots: Tensor) -> Mixture:
        """Return the distributions of what comes next of [V, S] codes, of which nothing else is known; NaN where missing."""
        things = Things(
            slots=slots.unsqueeze(-1),
            nexts=torch.full_like(slots[:, :1], torch.nan),
            context=slots.new_zeros((len(slots), 2 * self.shape.width)),
            named=torch.zeros(len(slots), dtype=torch.bool, device=slots.device),
            first=0,
        )
        return self.head.of(things, torch.ones_like(things.nexts, dtype=torch.bool))

    def _cost(self, things: Things) -> tuple[Tensor, Tensor]:
        """Return [..., C] bits, 0 where nothing was measured, and where something was."""
        where = ~torch.isnan(things.nexts)
        mixture = self.head.of(things, where)
        cost = bits(mixture, things.nexts[where])
        return torch.zeros_like(things.nexts).masked_scatter(where, cost), where
