"""The same architecture on foreign telemetry: with the weights that ship, or fitted to its train part. Imports torch.

Nothing of this ever ships. With the weights that ship a channel is a signal without a name, and nothing but its own slots is
known of it. What is fitted has names for the channels, a host token of their windows, and knows the channels before each one.

Axes: N stream, T sample, B window, S slot (newest first), C channel, 256 code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from orderd.domain.signals import SLOT_AGES_S, Signal
from ordertrainer.nets.codes import CODES
from ordertrainer.nets.mixture import bits, probabilities
from ordertrainer.nets.next_sample import NextNet, Things
from ordertrainer.nets.order import Shape, mixed
from ordertrainer.policy.seeds import seed_of

AGES: Final = tuple(int(age) for age in SLOT_AGES_S)
"""Ages of the window's slots, in samples."""
_GRADIENT_NORM_MAX: Final = 1.0
_WARM_STEPS: Final = 100

Forecast = Callable[[Tensor, Tensor], Tensor]
"""[B, S, C] codes of slots, NaN where missing, and [B, C] next codes -> [B, C, 256]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How to fit.

    Attributes:
        steps: of gradient.
        batch: windows a step.
        learning_rate: peak; falls in a cosine to nothing.
        weight_decay: of AdamW.
        seed: of weights and draws.
        shape: of the network.
    """

    steps: int = 1500
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0
    shape: Shape = field(default_factory=lambda: Shape(dropout=0.0))


class ForeignNet(NextNet):
    """A next-sample network of hosts whose channels come in codes; there are no entities."""

    def __init__(self, channels: int, shape: Shape) -> None:
        """Build with random weights for C channels."""
        names = (Signal(name=f"channel_{number}_ratio", meaning="a channel of others") for number in range(channels))
        super().__init__(shape, tuple(names))

    def things(self, slots: Tensor, nexts: Tensor) -> Things:
        """Return what the head needs: [B, S, C] codes of slots, and [B, C] of the next sample."""
        whole = self.host((slots + 0.5) / CODES)
        own = whole.new_zeros((len(whole), 0, whole.shape[-1]))
        token = mixed(self.blocks, whole, own, own[..., 0].bool())[:, 0]
        named = torch.ones(len(whole), dtype=torch.bool, device=whole.device)
        return Things(slots=slots, nexts=nexts, context=torch.cat((whole, token), dim=-1), named=named, first=0)

    def cost(self, slots: Tensor, nexts: Tensor) -> Tensor:
        """Return [B, C] bits of the next sample, each channel told from those before it."""
        things = self.things(slots, nexts)
        return bits(self.head.of(things, torch.ones_like(nexts, dtype=torch.bool)), nexts.flatten()).view(nexts.shape)


def zero_shot(net: NextNet) -> Forecast:
    """Return what the weights that ship say of channels without names."""

    def forecast(slots: Tensor, nexts: Tensor) -> Tensor:
        alone = slots.transpose(1, 2).flatten(0, 1)
        return probabilities(net.nameless(alone)).view(*nexts.shape, CODES)

    return forecast


def windows(codes: Tensor, at: Tensor) -> Tensor:
    """Return [B, S, C] the slots before samples ``at``: [T, C] codes, [B] places; NaN before the first sample."""
    places = at[:, None] - 1 - torch.tensor(AGES)
    return torch.where((places >= 0)[..., None], codes[places.clamp(min=0)], torch.nan)


def fit(streams: list[Tensor], settings: Fit, tick: Callable[[float], None]) -> ForeignNet:
    """Fit a network to the train parts of some streams.

    Args:
        streams: [T, C] codes each, of as many samples.
        settings: how.
        tick: told the share that is done.
    """
    torch.manual_seed(settings.seed)
    draws = torch.Generator().manual_seed(seed_of(settings.seed, "foreign"))
    net = ForeignNet(streams[0].shape[1], settings.shape)
    net.host.normaliser.fit(((torch.cat(streams) + 0.5) / CODES).numpy())
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=min(0.3, _WARM_STEPS / settings.steps)
    )
    for step in range(settings.steps):
        slots, nexts = _draw(streams, settings.batch, draws)
        optimiser.zero_grad()
        net.cost(slots, nexts).mean().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), _GRADIENT_NORM_MAX)
        optimiser.step()
        schedule.step()
        tick((step + 1) / settings.steps)
    return net.eval()


def _draw(streams: list[Tensor], count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return slots [count, S, C] and next codes [count, C] of samples drawn evenly from all streams."""
    at = torch.randint(0, len(streams), (count,), generator=draws)
    parts = [
        (stream, torch.randint(1, len(stream), (int((at == n).sum()),), generator=draws)) for n, stream in enumerate(streams)
    ]
    return torch.cat([windows(stream, some) for stream, some in parts]), torch.cat([stream[some] for stream, some in parts])
