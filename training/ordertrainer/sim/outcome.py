"""What one step brought, in ingredients: training chooses the weights. Values only; imports torch."""

from dataclasses import dataclass

from torch import Tensor

from ordertrainer.sim.tables import Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Tensors):
    """One step of N hosts; all [N], bool unless said otherwise.

    What a repair did is told in the step in which it ends, what a person was called for in the step of the call.

    Attributes:
        sick: uint8, how many faults are there, hidden ones included.
        landed: uint8, faults that landed in this step.
        cured: uint8, faults that a repair ended in this step.
        started: a repair began.
        refused: the action could not be taken: busy, wrong kind, nothing there, tried before, or hands off.
        ended: a repair ended.
        in_vain: it touched its target and ended no fault.
        not_the_case: it looked and found that its cause is not there.
        touched_healthy: it touched an entity with which nothing was wrong.
        harmful: it did harm: it touched a healthy entity with more than no risk, or did a failing one lasting harm in vain.
        risk: float32, place of the risk of the repair that ended, 0 for none; the contract's word for what it costs.
        host_wide: it reaches beyond its target.
        seconds: float32, how long it took, verification included.
        stopped_rightly, stopped_wrongly: it was said that all is in order, and it was, or something was wrong.
        escalated_rightly: a person was called for what no repair can end, and nothing else was left to repair.
        escalated_wrongly: a person was called for nothing, or for what could have been repaired.
        terminated: the episode ended by what was done.
        truncated: it was cut off by its horizon.
    """

    sick: Tensor
    landed: Tensor
    cured: Tensor
    started: Tensor
    refused: Tensor
    ended: Tensor
    in_vain: Tensor
    not_the_case: Tensor
    touched_healthy: Tensor
    harmful: Tensor
    risk: Tensor
    host_wide: Tensor
    seconds: Tensor
    stopped_rightly: Tensor
    stopped_wrongly: Tensor
    escalated_rightly: Tensor
    escalated_wrongly: Tensor
    terminated: Tensor
    truncated: Tensor

    @property
    def done(self) -> Tensor:
        """Return [N] bool: the next thing is a reset; never confuse why."""
        return self.terminated | self.truncated
