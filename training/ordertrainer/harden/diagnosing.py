"""An order model as simulated hosts have it: beside the rules, merged and waited for by orderd's own code. Runs torch.

Axes: N host, n asked about, E slot, C failure class.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from orderd.config import Config
from orderd.diagnosis import Abstention, Standing, by_model, by_rules, merge, untaught
from orderd.domain.faults import Failure
from orderd.domain.values import Diagnosis, Scores
from orderd.domain.window import Window
from ordertrainer.nets.order import OrderNet
from ordertrainer.sim.signals import Observation

_BATCH: Final = 512


class OrderModel:
    """Names failures as orderd does with a model; a `ordertrainer.sim.policies.Diagnoser`."""

    def __init__(self, net: OrderNet, config: Config | None = None) -> None:
        """Ask a network.

        Args:
            net: in evaluation mode, on the device of the simulator.
            config: whose limits count; orderd's defaults without one.
        """
        self._net, self._config = net, config or Config()
        self._said: dict[int, Scores] = {}
        self._standing: dict[int, Standing] = defaultdict(Standing)
        self._abstention: dict[int, Abstention] = defaultdict(self._new_abstention)

    def _new_abstention(self) -> Abstention:
        limits = self._config.decision
        return Abstention(unknown_min=limits.unknown_min, unknown_s=limits.unknown_s)

    def ask(self, seen: Observation, where: Tensor) -> None:
        """Ask the network about all of them at once."""
        self._said = {}
        with torch.inference_mode():
            for part in where.split(_BATCH):
                failure, wrong = self._net(seen.host[part], seen.rows[part], seen.kind[part], seen.present[part])
                for n, host in enumerate(part.tolist()):
                    rows = failure[n, seen.present[host]].tolist()
                    self._said[host] = Scores(failures=tuple(map(tuple, rows)), wrong=float(wrong[n]))

    def name(self, host: int, window: Window) -> Sequence[Diagnosis]:
        """Return what orderd would act on; UNKNOWN where it would call a person."""
        scores = self._said[host]
        model = by_model(window, scores)
        opinions = merge(by_rules(window), model, self._config.inference.confidence_min, untaught(window, scores))
        doubts = self._abstention[host].watch(window, scores, model, opinions)
        stood = self._standing[host].without_flickers(opinions, window.at)
        return (*(o.chosen for o in stood), *(replace(d.diagnosis, failure=Failure.UNKNOWN) for d in doubts))

    def forget(self, host: int) -> None:
        """Begin without a past."""
        self._standing.pop(host, None)
        self._abstention.pop(host, None)
