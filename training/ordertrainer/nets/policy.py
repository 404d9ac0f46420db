"""The policy: which repair on which entity, or to wait, or to call a person. Pure; imports torch.

Axes: B window, E entity (padded), S slot, H host signal, F entity signal, R repair, C contract column, D width.
Entities are encoded as in the order model: one encoder for all of them, and a small transformer across entities and the host.
A repair is what its contract says (`contracts`), never a number: any catalogue can be ranked, in any order, and a pair of entity
and repair is scored by how their two vectors meet. Actions are those of the simulator: ``entity * R + repair``, then WAIT, STOP
and ESCALATE. What may not be done has probability 0.

Signals that no training could show moving are unknown to a network: it takes them for missing, in windows and in contracts alike.
What is left to it then is that a repair may be tried here, and that its contract calls the entity unhealthy; training hides
signals that it knows, so that it learns to go by that too.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from orderd.domain.faults import KINDS
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS
from ordertrainer.nets.contracts import CONTRACT_COLUMNS, FAILURE_CLASSES, only_known, repaired_failures
from ordertrainer.nets.order import IMPOSSIBLE, Block, Encoder, Shape, mixed, possible_classes, worst

OTHERS: Final = 3
"""WAIT, STOP and ESCALATE, in this order after all pairs."""
ENDINGS: Final = (2, 3, 4)
"""Ways in which an attempt can have ended: helped, in vain, not the case; 0: none. As ``ordertrainer.sim.attempts.How``."""
FORBIDDEN: Final = -1e30
"""Added to what may not be done: its probability is 0 in single precision, whatever else is there."""
_LEAST: Final = 1e-4


class PolicyShape(NamedTuple):
    """What one policy looks like; recorded in checkpoints."""

    width: int = 64
    hidden: int = 96
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0

    def encoder(self) -> Shape:
        """Return the shape of the parts that it has in common with the order model."""
        return Shape(width=self.width, hidden=self.hidden, layers=self.layers, heads=self.heads, dropout=self.dropout)


class Inputs(NamedTuple):
    """What a policy sees of B hosts.

    Attributes:
        host: [B, S, H] float32, NaN where missing.
        entities: [B, E, S, F] float32, NaN where missing.
        kind: [B, E] int64 kind index.
        present: [B, E] bool.
        tried: [B, E, R] int64, how each repair ended on each entity in this incident, 0 where it was not tried.
        unmet: [B, E, R] bool, the entity does not show now what the repair's contract calls healthy.
        contracts: [R, C] float32, of `contracts`.
        mask: [B, E * R + 3] bool, the actions that may be taken; WAIT among them always.
    """

    host: Tensor
    entities: Tensor
    kind: Tensor
    present: Tensor
    tried: Tensor
    unmet: Tensor
    contracts: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLogits:
    """What training needs.

    Attributes:
        failure: [B, E, failure], classes that a kind cannot have at -1e4; of all of ``tuple(Failure)``, UNKNOWN among them.
        wrong: [B], before the sigmoid.
        action: [B, E * R + 3], what may not be done at -1e30.
    """

    failure: Tensor
    wrong: Tensor
    action: Tensor


class PolicyNet(nn.Module):
    """The policy; ``forward`` takes the fields of ``Inputs`` by name and order."""

    possible: Tensor
    known: Tensor

    def __init__(self, shape: PolicyShape | None = None) -> None:
        """Build with random weights.

        Args:
            shape: sizes; the default has about 0.24 M parameters.
        """
        super().__init__()
        self.shape = shape or PolicyShape()
        width, parts = self.shape.width, self.shape.encoder()
        self.host = Encoder(HOST_SIGNALS, parts)
        self.entity = Encoder(ENTITY_SIGNALS, parts)
        self.kind = nn.Embedding(len(KINDS), width)
        self.contract = nn.Sequential(nn.Linear(CONTRACT_COLUMNS, width), nn.GELU(), nn.Linear(width, width))
        self.offers = nn.Linear((len(ENDINGS) + 2) * width, width, bias=False)
        self.blocks = nn.ModuleList(Block(parts) for _ in range(self.shape.layers))
        self.norm = nn.LayerNorm(2 * width)
        self.failure = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, len(FAILURE_CLASSES)))
        self.wants = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))
        self.whole = nn.LayerNorm(2 * width)
        self.wrong = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))
        self.others = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, OTHERS))
        self.after = nn.Parameter(torch.zeros(max(ENDINGS) + 1))
        self.called_for = nn.Parameter(torch.zeros(()))
        self.explains = nn.Parameter(torch.ones(()))
        self.register_buffer("possible", possible_classes(FAILURE_CLASSES).to(torch.float32))
        self.register_buffer("known", torch.ones(len(ENTITY_SIGNALS)))

    def logits(self, seen: Inputs, hidden: Tensor | None = None) -> PolicyLogits:
        """Return what the losses are computed on.

        Args:
            seen: what it sees.
            hidden: [F] float32, 1 for entity signals that it shall not know this time.
        """
        known = self.known if hidden is None else self.known * (1.0 - hidden)
        contracts = self.contract(only_known(seen.contracts, known))
        measured = torch.where(known > 0, seen.entities, torch.nan)
        own = self.entity(measured) + self.kind(seen.kind) + self._offered(seen, contracts)
        tokens = mixed(self.blocks, self.host(seen.host), own, seen.present)
        both = self.norm(torch.cat((own, tokens[:, 1:]), dim=-1))
        possible = self.possible[seen.kind]
        failure = self.failure(both) * possible + (1.0 - possible) * IMPOSSIBLE
        whole = self.whole(torch.cat((tokens[:, 0], worst(tokens[:, 1:], seen.present)), dim=-1))
        action = torch.cat((self._pairs(both, failure, contracts, seen).flatten(1), self.others(whole)), dim=-1)
        return PolicyLogits(
            failure=failure,
            wrong=self.wrong(whole).squeeze(-1),
            action=torch.where(seen.mask, action, FORBIDDEN),
        )

    def _offered(self, seen: Inputs, contracts: Tensor) -> Tensor:
        """Return [B, E, D]: what the catalogue has to say about each entity, as sums of contracts.

        Apart from each other: what ended in each way here, what may be tried now, and what of it is called for, because the
        entity does not show what the contract calls healthy. A failure that no training saw still looks like one for which there
        is a repair.
        """
        may = seen.mask[:, :-OTHERS].unflatten(1, seen.tried.shape[1:])
        sets = [seen.tried == how for how in ENDINGS] + [may, may & seen.unmet]
        sums = torch.stack(sets, dim=-2).to(contracts.dtype) @ contracts
        return self.offers(sums.flatten(start_dim=-2))

    def _pairs(self, both: Tensor, failure: Tensor, contracts: Tensor, seen: Inputs) -> Tensor:
        """Return [B, E, R]: how well each repair answers each entity.

        Beside what is learned of the two stands what the contract promises: how likely the entity has a failure that the repair
        is for. So a repair that nobody saw begins where its contract puts it.
        """
        meets = self.wants(both) @ contracts.T * (self.shape.width**-0.5)
        promised = torch.softmax(failure, dim=-1) @ repaired_failures(seen.contracts).T
        called_for = self.called_for * seen.unmet.to(meets.dtype)
        return meets + self.explains * torch.log(promised + _LEAST) + called_for + self.after[seen.tried]

    def forward(  # noqa: PLR0917  the inputs of the exported graph, which go by name there
        self,
        host: Tensor,
        entities: Tensor,
        kind: Tensor,
        present: Tensor,
        tried: Tensor,
        unmet: Tensor,
        contracts: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return probabilities: ``failure`` [B, E, failure], ``wrong`` [B] and ``action`` [B, E * R + 3]."""
        logits = self.logits(Inputs(host, entities, kind, present, tried, unmet, contracts, mask))
        failure, action = torch.softmax(logits.failure, dim=-1), torch.softmax(logits.action, dim=-1)
        return failure, torch.sigmoid(logits.wrong), action
