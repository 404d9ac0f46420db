"""Something that answers for windows: what is wrong with each entity, or what is to be done about it. Runs onnxruntime or torch.

    OrderModel    an exported model, as orderd takes it: sure enough, and possible
    OrderdsRules  orderd's own rules, in whichever words another teacher speaks
    Policy        a network of `ordertrainer imitate`: the repair that it would begin with, or a person

All of them are asked about the same examples, and answer [N, E] places in their list of answers, ELSEWHERE in padding. That is
the seam: who makes a list of rules knows nothing of networks.

A policy decides for a host, and does one thing after another. It is asked here about one entity at a time: what it would do if
this were the only one that it may touch. Nothing has been tried yet in any of its windows: that is no fact of a sample.

Axes: N example, E entity (padded), R repair.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orderd.decision.candidates import candidates
from orderd.diagnosis import by_rules
from orderd.diagnosis.model import by_model
from orderd.domain.faults import Failure
from orderd.domain.repairs import Repair
from orderd.domain.values import Diagnosis, Scores
from orderd.domain.window import Window
from orderd.inference.session import Model
from ordertrainer.dataset import Examples
from ordertrainer.imitation.views import window_of
from ordertrainer.nets.policy import OTHERS, Inputs, PolicyNet
from ordertrainer.policy.actor import Care, decide
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.rules.rule import IN_ORDER, PERSON

ELSEWHERE: Final = -1
"""Where there is no entity."""
FAILURES_NAMED: Final = tuple(map(str, Failure))
"""What a diagnosis can say; the first is "ok"."""
_BATCH: Final = 256
_ILL_MIN: Final = 0.5
"""A person is called for an entity that the policy takes for ill: the call is one of the host, not of all that is on it."""

Said = NDArray[np.int64]
Tick = Callable[[float], None]


class Teacher(Protocol):
    """Who is asked.

    Attributes:
        name: for tables.
        says: its list of answers; the first means that nothing is to be said.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def says(self) -> tuple[str, ...]: ...  # noqa: D102

    def ask(self, examples: Examples, tick: Tick) -> Said:
        """Return [N, E] what it says of each entity.

        Args:
            examples: windows.
            tick: told the share that is done.
        """
        ...


class OrderModel:
    """An exported order model, asked window by window through the engine that serves it."""

    says = FAILURES_NAMED

    def __init__(self, model: Model, confidence_min: float) -> None:
        """Ask a loaded model.

        Args:
            model: of an admitted package.
            confidence_min: below which orderd does not take its word.
        """
        self._model, self._confidence_min = model, confidence_min
        self.name = f"order {model.manifest.version}"

    def ask(self, examples: Examples, tick: Tick) -> Said:
        """Return [N, E] what orderd would take from it."""
        return _each_window(examples, tick, self._diagnoses, _failure)

    def _diagnoses(self, window: Window) -> tuple[Diagnosis, ...]:
        answer = self._model.classify(window.kinds.tobytes(), window.host.tobytes(), window.rows.tobytes())
        scores = Scores(failures=tuple(map(tuple, answer.failure.tolist())), wrong=answer.wrong)
        return tuple(said for said in by_model(window, scores) if said.probability >= self._confidence_min)


class OrderdsRules:
    """The rules that orderd falls back to."""

    name = "orderd's rules"

    def __init__(self, says: tuple[str, ...], repairs: Mapping[str, Repair]) -> None:
        """Speak another teacher's words.

        Args:
            says: failures, or repairs and a person.
            repairs: the catalogue, from which the first repair that may be tried is taken.
        """
        self.says, self._repairs = says, repairs

    def ask(self, examples: Examples, tick: Tick) -> Said:
        """Return [N, E] what they say."""
        put = _failure if self.says == FAILURES_NAMED else self._repair
        return _each_window(examples, tick, by_rules, put)

    def _repair(self, window: Window, diagnosis: Diagnosis) -> int:
        row = window.newest.row(diagnosis.entity)
        usable = [c.repair for c in candidates(diagnosis, row, self._repairs.values(), ()) if not c.refused_because]
        return self.says.index(usable[0] if usable else PERSON)


class Policy:
    """A policy network, asked about one entity at a time."""

    name = "policy"

    def __init__(self, net: PolicyNet, playbooks: Playbooks, care: Care | None = None) -> None:
        """Ask a network.

        Args:
            net: in evaluation mode.
            playbooks: the catalogue that it chooses from.
            care: how sure it has to be.
        """
        self._net, self._playbooks, self._care = net, playbooks, care or Care()
        self.says = ("wait", *playbooks.world.repair_names, PERSON)

    def ask(self, examples: Examples, tick: Tick) -> Said:
        """Return [N, E] what it would do first about each entity if it were the only one."""
        said = np.full(examples.kind.shape, ELSEWHERE, np.int64)
        for start in range(0, len(examples), _BATCH):
            part = slice(start, start + _BATCH)
            arrays = (examples.host[part], examples.rows[part], examples.kind[part], examples.present[part])
            with torch.inference_mode():
                said[part] = self._of(*(torch.from_numpy(np.ascontiguousarray(each)) for each in arrays)).numpy()
            tick(min(1.0, (start + _BATCH) / len(examples)))
        return said

    def _of(self, host: Tensor, rows: Tensor, kind: Tensor, present: Tensor) -> Tensor:
        repairs = self._playbooks.world.repairs
        may = repairs.preconditions.hold(rows[:, :, 0]) & (kind[..., None] == repairs.kind[:-1]) & present[..., None]
        mask = torch.cat((may.flatten(1), torch.ones(len(host), OTHERS, dtype=torch.bool)), dim=-1)
        unmet = ~repairs.healthy.hold(rows[:, :, 0])
        tried = torch.zeros_like(may, dtype=torch.int64)
        logits = self._net.logits(Inputs(host, rows, kind, present, tried, unmet, self._playbooks.contracts, mask))
        own = logits.action[:, :-OTHERS].unflatten(1, may.shape[1:])
        others = logits.action[:, None, -OTHERS:].expand(-1, own.shape[1], -1)
        alone = torch.cat((own, others), dim=-1).softmax(-1)
        chosen = decide(alone.flatten(0, 1), self._care).view(own.shape[:2])
        return self._in_words(chosen, logits.failure.softmax(-1)[..., 0]).masked_fill(~present, ELSEWHERE)

    def _in_words(self, chosen: Tensor, ok: Tensor) -> Tensor:
        """Return [N, E] places among the answers of [N, E] actions of one entity; ``ok`` is P(ok)."""
        wait = self._playbooks.world.no_repair
        calls = (chosen == wait + 2) & (ok < 1.0 - _ILL_MIN)
        repairs = torch.where(chosen < wait, chosen + 1, IN_ORDER)
        return torch.where(calls, len(self.says) - 1, repairs)


def _each_window(
    examples: Examples,
    tick: Tick,
    diagnose: Callable[[Window], tuple[Diagnosis, ...]],
    put: Callable[[Window, Diagnosis], int],
) -> Said:
    said = np.where(examples.present, IN_ORDER, ELSEWHERE).astype(np.int64)
    for number in range(len(examples)):
        window = window_of(examples, number)
        place = dict(zip(window.entities, np.flatnonzero(examples.present[number]).tolist(), strict=True))
        for diagnosis in diagnose(window):
            said[number, place[diagnosis.entity]] = put(window, diagnosis)
        tick((number + 1) / len(examples))
    return said


def _failure(_window: Window, diagnosis: Diagnosis) -> int:
    return FAILURES_NAMED.index(diagnosis.failure)
