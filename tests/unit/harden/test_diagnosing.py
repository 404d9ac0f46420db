"""An order model on simulated hosts: what it says counts as on a real one."""

from dataclasses import replace

import pytest
import torch

from orderd.domain.faults import FAILURES, Entity, EntityKind, Failure
from ordertrainer.evolve.regret import Given
from ordertrainer.harden.diagnosing import OrderModel
from ordertrainer.harden.drills import keeper
from ordertrainer.sim import Shares, Simulator, Uniform
from ordertrainer.sim.levels import afflict
from ordertrainer.sim.windows import window_of


class Says(torch.nn.Module):
    """A network that says one thing of the unit in the first slot, and of all else that it is well."""

    def __init__(self, failure=Failure.OK, probability=0.98, wrong=0.0):
        super().__init__()
        self.failure, self.probability, self.wrong = FAILURES.index(failure), probability, wrong

    def forward(self, host, entities, kind, present):
        """Return what it says of everybody, as an order model does: a little of what it was taught, and never nothing."""
        said = torch.full((*kind.shape, len(FAILURES)), 1e-4)
        said[..., 0] = 1.0
        if self.failure:
            said[:, 0, 0], said[:, 0, self.failure] = 1.0 - self.probability, self.probability
        return said, torch.full((len(host),), self.wrong)


@pytest.fixture
def hosts(playbooks):
    """Return a maker of one host to which something happens in its first slot, at once."""

    def make(fault=None):
        world = playbooks.world
        calm = Uniform(world, shares=Shares(quiet=1.0, decoy=0.0, single=0.0, pair=0.0, buried=0.0))
        levels = replace(calm.draw(1, torch.Generator().manual_seed(4)), flaky=torch.zeros(1))
        return Simulator(world, hosts=1, seed=4, chaos=Given(levels if fault is None else afflict(world, levels, fault, slot=0)))

    return make


def acted(keep, sim, seconds):
    """Return what is done in each second."""
    done = []
    for _ in range(seconds):
        done.append(int(keep.act(sim, sim.observe())))
        sim.step(torch.tensor([done[-1]]))
    return done


def test_a_model_that_sees_nothing_does_not_silence_the_rules(playbooks, hosts):
    """A stopped service is started all the same."""
    assert playbooks.world.action(0, "service_start") in acted(keeper(playbooks, Says()), hosts("service_stop"), 12)


def test_what_a_model_alone_says_is_acted_on_once_it_stands(playbooks, hosts):
    """Rules take their time until they call a service hung; a sure model is believed after a second, an unsure one never."""
    world, first = playbooks.world, {}
    for name, net in {"sure": Says(Failure.SERVICE_HUNG), "unsure": Says(Failure.SERVICE_HUNG, 0.6), "none": Says()}.items():
        done = acted(keeper(playbooks, net), hosts("firewall_blocks_service"), 25)
        first[name] = next(second for second, action in enumerate(done) if action != world.wait)
    assert 1 <= first["sure"] < first["none"] == first["unsure"]


def test_what_cannot_be_is_not_believed(playbooks, hosts):
    """A running service is not down, whoever says so; and nobody repairs it."""
    done = acted(keeper(playbooks, Says(Failure.SERVICE_DOWN)), hosts(), 15)
    assert set(done) == {playbooks.world.wait}


def test_something_wrong_without_a_name_is_for_a_person(playbooks, hosts):
    """After orderd's own patience, and not before; a repair never."""
    world = playbooks.world
    done = acted(keeper(playbooks, Says(wrong=0.99)), hosts(), 40)
    assert world.escalate in done[20:]
    assert set(done[:19]) == {world.wait}
    assert set(done) <= {world.wait, world.escalate}


def test_another_host_in_its_place_has_no_past(playbooks, hosts):
    """What stood on the one before does not count."""
    model, sim = OrderModel(Says(wrong=0.99)), hosts()
    for second in range(30):
        model.ask(sim.observe(), torch.tensor([0]))
        named = model.name(0, window_of(sim.observe(), 0, playbooks.world.layout, float(second)))
    assert [d.failure for d in named] == [Failure.UNKNOWN]
    assert named[0].entity.kind in set(EntityKind)
    assert isinstance(named[0].entity, Entity)
    model.forget(0)
    assert not model.name(0, window_of(sim.observe(), 0, playbooks.world.layout, 31.0))
