"""One second of many hosts' lives. Pure: a new state is returned; imports torch.

A host is what was drawn for it (its level) and a few numbers: how late it is, which faults have ended, which repair runs, what
was tried. Everything that is measured follows from these (`signals`), so a step costs some dozens of small operations and no
window.

    an action -> a repair begins or is refused, or somebody is called -> a second passes -> what ends then has its effect

A repair ends a fault when it is one of its cures, the fault is not hidden behind another one on the same entity, and nothing that
the entity rests on is broken: a service does not start on a full disk, whatever is right for the service. A repair in vain takes
as long as its verification waits, and is not tried again on the entity before another one has ended a fault there.

Axes: L lane, N host, E slot, R repair.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from orderd.domain.repairs import Risk
from ordertrainer.sim.attempts import How
from ordertrainer.sim.levels import NEVER_S
from ordertrainer.sim.outcome import Outcome
from ordertrainer.sim.state import State, look
from ordertrainer.sim.tables import Compiled, some, total

STEP_S: Final = 1.0
LASTING: Final = tuple(Risk).index(Risk.LOSES_CACHE)
"""From this risk on a repair in vain does harm to what fails, too; to restart what does not work harms nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the repairs that end now do; [N] bool unless said otherwise.

    Attributes:
        ended: one ends.
        repair: [N] int32 which.
        cured: [L, N] faults that it ends.
        helps: it ends any.
        helped: and nothing else is wrong with its target.
        touched: it did not only look.
        healthy: it touched what nothing was wrong with.
        kills: it stops a process that should have been left alone.
    """

    ended: Tensor
    repair: Tensor
    cured: Tensor
    helps: Tensor
    helped: Tensor
    touched: Tensor
    healthy: Tensor
    kills: Tensor


def step(world: Compiled, state: State, actions: Tensor) -> tuple[State, Outcome]:
    """Let a second pass.

    Args:
        world: the catalogue.
        state: of N hosts.
        actions: [N] int64: ``slot * R + repair``, or ``world.wait``, ``world.stop``, ``world.escalate``.

    Returns:
        The next state, and what the second brought.
    """
    before, idle = state.lanes, state.idle
    stopped, escalated = idle & (actions == world.stop), idle & (actions == world.escalate)
    ill, beyond = some(before.sick), hopeless(state)
    state, started = _start(world, state, actions, idle)
    at_s = state.at_s + STEP_S
    ending = _ending(world, state, at_s)
    state, seconds = _settle(world, state, at_s, ending)
    terminated = stopped | escalated
    in_vain, risk = ending.touched & ~ending.helps, world.repairs.risk.index_select(0, ending.repair) * ending.ended
    return state, Outcome(
        sick=total(state.lanes.sick),
        landed=total(state.lanes.sick & ~before.sick),
        cured=total(ending.cured),
        started=started,
        refused=(actions < world.wait) & ~started,
        ended=ending.ended,
        in_vain=in_vain,
        not_the_case=ending.ended & ~ending.touched,
        touched_healthy=ending.healthy,
        harmful=in_vain & ((ending.healthy & (risk > 0)) | (risk >= LASTING)),
        risk=risk,
        host_wide=world.repairs.host_wide.index_select(0, ending.repair) & ending.ended,
        seconds=seconds,
        stopped_rightly=stopped & ~ill,
        stopped_wrongly=stopped & ill,
        escalated_rightly=escalated & beyond,
        escalated_wrongly=escalated & ~beyond,
        terminated=terminated,
        truncated=(at_s >= state.levels.horizon_s) & ~terminated,
    )


def hopeless(state: State) -> Tensor:
    """Tell whether a person is the right answer: something is wrong, and nothing of it can be repaired any more. [N] bool.

    A fault is beyond repair when it has no cure, all of them were tried in vain, it is hidden behind one that is beyond repair,
    or its entity rests on one.
    """
    sick = state.lanes.sick
    lost = sick & (state.cures_left <= 0)
    sunk = some((lost & state.lanes.breaks)[:, None] & state.known.beneath)
    lost = lost | (state.known.behind & lost[:1]) | sunk
    return some(sick) & ~some(sick & ~lost)


def _start(world: Compiled, state: State, actions: Tensor, idle: Tensor) -> tuple[State, Tensor]:
    """Begin the repairs that can be begun; return also [N] which were."""
    slot, repair = world.moves.slot.index_select(0, actions), world.moves.repair.index_select(0, actions)
    started = world.moves.fits.index_select(0, actions) & idle & _within_reach(state, slot) & ~state.attempts.tried(slot, repair)
    runs_s = torch.ceil(world.repairs.run_s.index_select(0, repair.to(torch.int32)) * state.levels.slow).clamp_(min=STEP_S)
    begun = replace(
        state,
        repair=torch.where(started, repair, state.repair),
        target=torch.where(started, slot, state.target),
        began_s=torch.where(started, state.at_s, state.began_s),
        runs_until_s=torch.where(started, state.at_s + runs_s, state.runs_until_s),
        busy_until_s=torch.where(started, NEVER_S, state.busy_until_s),
    )
    return begun, started


def _within_reach(state: State, slot: Tensor) -> Tensor:
    """Tell whether something is in the slot, and nobody told orderd to keep off it: [N] bool for [N] slots."""
    here = state.lanes.front & (state.known.slot == slot)
    there = state.levels.there.gather(1, slot[:, None].to(torch.int64))[:, 0] & ~state.attempts.emptied(slot)
    return (there | some(here & state.known.starts)) & ~some(here & state.known.held)


def _ending(world: Compiled, state: State, at_s: Tensor) -> Ending:
    """Judge the repairs that end at ``at_s``, by what was there in the second before."""
    known, lanes, repairs = state.known, state.lanes, world.repairs
    repair = state.repair.to(torch.int32)
    ended = state.runs_until_s == at_s
    mine = (known.slot == state.target) & ended
    right = mine & lanes.front & some(known.cure == state.repair)
    cured = right & ~some(lanes.breaks[:, None] & known.beneath)
    sick = mine & lanes.sick
    helps = some(cured)
    touched = ended & (some(right) | ~repairs.looks.index_select(0, repair))
    return Ending(
        ended=ended,
        repair=repair,
        cured=cured,
        helps=helps,
        helped=helps & ~some(sick & ~cured),
        touched=touched,
        healthy=touched & ~some(sick),
        kills=touched & ~helps & repairs.kills.index_select(0, repair),
    )


def _settle(world: Compiled, state: State, at_s: Tensor, ending: Ending) -> tuple[State, Tensor]:
    """Let a second pass and repairs have their effect; return also [N] how long those that ended took, verification included."""
    known, repairs, ended = state.known, world.repairs, ending.ended
    here = known.slot == state.target
    hold_s, within_s = repairs.hold_s.index_select(0, ending.repair), repairs.within_s.index_select(0, ending.repair)
    verified_s = at_s + torch.where(ending.helped, hold_s, within_s) * ending.touched
    struck = here & state.lanes.front & known.decoy & ending.kills
    crossed = here & some(known.cure == state.repair) & (ended & ~ending.helps)
    shows_s = torch.where(known.behind & ending.cured[:1], torch.maximum(known.onset_s, at_s), state.shows_s)
    ended_s = torch.where(ending.cured | struck, at_s, state.ended_s)
    settled = replace(
        state,
        at_s=at_s,
        lanes=look(known, at_s, shows_s, ended_s),
        shows_s=shows_s,
        ended_s=ended_s,
        cures_left=torch.where(here & ending.helps, known.cures, state.cures_left - crossed.view(torch.int8)),
        busy_until_s=torch.where(ended, verified_s, state.busy_until_s),
        attempts=state.attempts.add(
            ended, state.target, state.repair, how=_how(ending), clears=ending.helps, kills=ending.kills, at_s=at_s
        ),
    )
    return settled, (verified_s - state.began_s) * ended


def _how(ending: Ending) -> Tensor:
    """Return [N] int8 of How: a repair that did not only look is one less than one that did, and one that helped two."""
    return How.NOT_THE_CASE - ending.touched.view(torch.int8) - ending.helped.view(torch.int8)
