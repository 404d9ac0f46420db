"""The order model: which entity fails, and how. Pure; imports torch.

Axes: B window, E entity (padded), S slot, H host signal, F entity signal, C failure class, D width.
One encoder serves every entity and a small transformer lets entities and the host see each other, so one model serves hosts
with one or two hundred services, in any order. Names never enter: only kinds and measurements do. Raw windows go in,
probabilities come out; normalisation, the classes each kind can have, and the calibrating temperature are part of the graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from orderd.domain.faults import FAILURES, KIND_OF, KINDS, Failure
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S, Signal
from ordertrainer.nets.normaliser import Normaliser

SLOTS: Final = len(SLOT_AGES_S)
IMPOSSIBLE: Final = -1e4
"""Added to what cannot be: softmax gives it nothing, and half precision still holds it."""
_FEATURE_MAX: Final = 20.0


class Shape(NamedTuple):
    """What one order model looks like; recorded in checkpoints."""

    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logits:
    """What training needs.

    Attributes:
        failure: [B, E, C], impossible classes at -1e4.
        wrong: [B], before the sigmoid.
    """

    failure: Tensor
    wrong: Tensor


def possible_classes(classes: Sequence[Failure] = FAILURES) -> Tensor:
    """Return [kind, C] bool: which classes each kind of entity can have; what happens to no kind in particular, all can."""
    return torch.tensor([[KIND_OF.get(failure, kind) is kind for failure in classes] for kind in KINDS])


class Encoder(nn.Module):
    """Normalises the slots of one thing and folds them into one token."""

    def __init__(self, signals: tuple[Signal, ...], shape: Shape) -> None:
        """Build for these columns a slot."""
        super().__init__()
        self.normaliser = Normaliser([signal.name for signal in signals])
        self.fold = nn.Sequential(
            nn.Linear(SLOTS * 2 * len(signals), shape.hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.width),
        )

    def forward(self, raw: Tensor) -> Tensor:
        """Fold [..., S, C] raw signals into [..., D]."""
        return self.fold(self.normaliser(raw).flatten(start_dim=-2))


class Block(nn.Module):
    """One pre-norm transformer layer over tokens of which some are padding."""

    def __init__(self, shape: Shape) -> None:
        """Build one layer."""
        super().__init__()
        self.heads = shape.heads
        self.norm_mix = nn.LayerNorm(shape.width)
        self.norm_think = nn.LayerNorm(shape.width)
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.think = nn.Sequential(
            nn.Linear(shape.width, 2 * shape.width), nn.GELU(), nn.Dropout(shape.dropout), nn.Linear(2 * shape.width, shape.width)
        )

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Mix tokens.

        Args:
            tokens: [B, T, D].
            bias: [B, 1, 1, T], 0 for tokens that may be looked at and -1e4 for padding.
        """
        mixed = tokens + self._attend(self.norm_mix(tokens), bias)
        return mixed + self.think(self.norm_think(mixed))

    def _attend(self, tokens: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (self._split(part) for part in self.qkv(tokens).chunk(3, dim=-1))
        scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5) + bias
        mixed = torch.softmax(scores, dim=-1) @ v
        return self.out(mixed.transpose(1, 2).flatten(start_dim=2))

    def _split(self, part: Tensor) -> Tensor:
        return part.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def mixed(blocks: nn.ModuleList, whole: Tensor, own: Tensor, present: Tensor) -> Tensor:
    """Let a host and its entities see each other.

    Args:
        blocks: of `Block`.
        whole: [B, D], the host's token.
        own: [B, E, D], the entities' tokens.
        present: [B, E] bool.

    Returns:
        [B, 1 + E, D], the host first.
    """
    tokens = torch.cat((whole.unsqueeze(1), own), dim=1)
    seen = nnf.pad(present.to(own.dtype), (1, 0), value=1.0)
    bias = ((1.0 - seen) * IMPOSSIBLE)[:, None, None, :]
    for block in blocks:
        tokens = block(tokens, bias)
    return tokens


def worst(tokens: Tensor, present: Tensor) -> Tensor:
    """Return [B, D], the largest of each feature over the entities that are there."""
    hidden = (1.0 - present.to(tokens.dtype)).unsqueeze(-1) * IMPOSSIBLE
    return torch.clamp((tokens + hidden).amax(dim=1), min=-_FEATURE_MAX)


class OrderNet(nn.Module):
    """The order model.

    Args of ``forward`` are the inputs of the exported graph, by name: ``host`` f32[B,S,H], ``entities`` f32[B,E,S,F],
    ``kind`` i64[B,E], ``present`` bool[B,E]. Its outputs are ``failure`` f32[B,E,C], rows summing to 1, and ``wrong`` f32[B].
    """

    possible: Tensor
    temperature: Tensor

    def __init__(self, shape: Shape | None = None) -> None:
        """Build with random weights.

        Args:
            shape: sizes; the default has about 0.19 M parameters.
        """
        super().__init__()
        self.shape = shape or Shape()
        width = self.shape.width
        self.host = Encoder(HOST_SIGNALS, self.shape)
        self.entity = Encoder(ENTITY_SIGNALS, self.shape)
        self.kind = nn.Embedding(len(KINDS), width)
        self.blocks = nn.ModuleList(Block(self.shape) for _ in range(self.shape.layers))
        self.norm = nn.LayerNorm(2 * width)
        self.failure = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, len(FAILURES)))
        self.wrong = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))
        self.register_buffer("possible", possible_classes().to(torch.float32))
        self.register_buffer("temperature", torch.ones(()))

    def logits(self, host: Tensor, entities: Tensor, kind: Tensor, present: Tensor) -> Logits:
        """Return what the losses are computed on; arguments as in ``forward``."""
        own = self.entity(entities) + self.kind(kind)
        tokens = mixed(self.blocks, self.host(host), own, present)
        # An entity is judged by its own measurements first; what the others show is context beside them.
        failure = self.failure(self.norm(torch.cat((own, tokens[:, 1:]), dim=-1)))
        impossible = (1.0 - self.possible[kind]) * IMPOSSIBLE
        wrong = self.wrong(torch.cat((tokens[:, 0], worst(tokens[:, 1:], present)), dim=-1)).squeeze(-1)
        return Logits(failure=failure * self.possible[kind] + impossible, wrong=wrong)

    def forward(self, host: Tensor, entities: Tensor, kind: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return calibrated probabilities: ``failure`` [B,E,C] and ``wrong`` [B]."""
        logits = self.logits(host, entities, kind, present)
        return torch.softmax(logits.failure / self.temperature, dim=-1), torch.sigmoid(logits.wrong)


def parameter_count(model: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
