"""The vectorised step against one host at a time in plain Python."""

from dataclasses import fields

import pytest
import torch

import simpeer
from ordertrainer.sim import Outcome, Shares, Simulator, Uniform

HOSTS, SECONDS = 192, 110


@pytest.mark.parametrize("calls", [False, True])
def test_vectorised_and_plain_hosts_live_the_same_lives(world, calls):
    """Every field of every outcome of every host agrees, whatever is done to them."""
    shares = Shares(quiet=0.05, decoy=0.15, single=0.2, pair=0.2, buried=0.2, triple=0.2)
    sim = Simulator(world, hosts=HOSTS, seed=17, chaos=Uniform(world, shares=shares, intensity=(0.0, 1.0)))
    catalogue = simpeer.Catalogue(world)
    plain = [simpeer.Host.of(catalogue, sim.state.levels, number) for number in range(HOSTS)]
    draw = torch.Generator().manual_seed(9)
    ever = dict.fromkeys((f.name for f in fields(Outcome)), 0)
    for second in range(SECONDS):
        actions = busy(sim, draw, calls)
        outcome = sim.step(actions)
        said = [host.step(action) for host, action in zip(plain, actions.tolist(), strict=True)]
        for name in ever:
            ours, theirs = getattr(outcome, name).to(torch.float64), torch.tensor([float(one[name]) for one in said])
            wrong = (ours != theirs).nonzero()[:, 0].tolist()
            assert not wrong, (name, second, wrong, ours[wrong], theirs[wrong])
            ever[name] += int((ours > 0).sum())
    never = {name for name, count in ever.items() if not count}
    assert never <= (set() if calls else {name for name in ever if "rightly" in name or "wrongly" in name} | {"terminated"}) | {
        "truncated"
    }


def busy(sim, draw, calls):
    """Return actions that hit something: mostly repairs on slots where something happens, right and wrong ones."""
    world, levels = sim.compiled, sim.state.levels
    lane = torch.randint(0, levels.fault.shape[1], (HOSTS,), generator=draw)
    picked = torch.arange(HOSTS)
    slot, fault = levels.slot[picked, lane], levels.fault[picked, lane]
    cures, kind = world.faults.cures[fault][:, :-1], world.slot_kind[slot]
    fits = world.repairs.kind[:-1] == kind[:, None]
    weights = fits + 20.0 * cures + 1e-3
    repair = torch.multinomial(weights.to(torch.float32), 1, generator=draw)[:, 0]
    anywhere = torch.randint(0, world.wait, (HOSTS,), generator=draw)
    dice = torch.rand(HOSTS, generator=draw)
    actions = torch.where(dice < 0.25, slot * world.no_repair + repair, world.wait)
    actions = torch.where(dice > 0.9, anywhere, actions)
    call = torch.where(dice < 0.8975, world.stop, world.escalate)
    return torch.where((dice > 0.895) & (dice < 0.9) & calls, call, actions)
