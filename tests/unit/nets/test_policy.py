"""The policy as a network: masks, contracts instead of names, any catalogue in any order."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orderd.catalogue import load_repairs
from orderd.domain.faults import KINDS, Failure
from orderd.domain.signals import ENTITY_SIGNALS, HOST_SIGNALS, SLOT_AGES_S
from ordertrainer.nets.contracts import CONTRACT_COLUMNS, FAILURE_CLASSES, contract_rows, repaired_failures
from ordertrainer.nets.order import parameter_count, possible_classes
from ordertrainer.nets.policy import ENDINGS, OTHERS, Inputs, PolicyNet

REPAIRS = Path(__file__).parents[3] / "playbooks" / "repairs"


@pytest.fixture(scope="module")
def repairs():
    """Return real repairs."""
    return list(load_repairs(REPAIRS).repairs.values())[:12]


@pytest.fixture
def net():
    """Return a network with random weights from a fixed seed, none of which is zero."""
    torch.manual_seed(3)
    net = PolicyNet()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return net.eval()


def inputs(repairs, batch=3, entities=7, seed=0):
    """Return random inputs, a fifth of the values missing, half of the actions forbidden."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator)

    rows = torch.randn(batch, entities, len(SLOT_AGES_S), len(ENTITY_SIGNALS), generator=generator)
    rows[draw(*rows.shape) < 0.2] = torch.nan
    mask = draw(batch, entities * len(repairs) + OTHERS) < 0.5
    mask[:, -OTHERS] = True
    tried = torch.tensor([0, 0, 0, *ENDINGS])[(draw(batch, entities, len(repairs)) * 6).long()]
    return Inputs(
        host=torch.randn(batch, len(SLOT_AGES_S), len(HOST_SIGNALS), generator=generator),
        entities=rows,
        kind=(draw(batch, entities) * len(KINDS)).long(),
        present=torch.ones(batch, entities, dtype=torch.bool),
        tried=tried,
        unmet=draw(batch, entities, len(repairs)) < 0.5,
        contracts=contract_rows(repairs),
        mask=mask,
    )


def pairs(action, repairs):
    """Return [B, E, R] of [B, actions]."""
    return action[:, :-OTHERS].unflatten(1, (-1, len(repairs)))


def test_what_may_not_be_done_has_probability_zero(net, repairs):
    """Exactly 0, and the rest adds up to 1."""
    seen = inputs(repairs)
    _, _, action = net(*seen)
    assert (action[~seen.mask] == 0).all()
    assert (action[seen.mask] > 0).all()
    assert torch.allclose(action.sum(-1), torch.ones(3), atol=1e-5)


def test_where_only_waiting_is_allowed_it_is_certain(net, repairs):
    """A host under repair: one action, probability 1."""
    seen = inputs(repairs)
    only = torch.zeros_like(seen.mask)
    only[:, -OTHERS] = True
    _, _, action = net(*seen._replace(mask=only))
    assert (action[:, -OTHERS] == 1).all()


def test_a_repair_of_another_name_is_the_same_repair(repairs):
    """Neither name nor summary is an input."""
    renamed = [replace(repair, name=f"another_{number}", summary="Something.") for number, repair in enumerate(repairs)]
    assert torch.equal(contract_rows(repairs), contract_rows(renamed))


def test_an_unseen_repair_is_ranked_as_its_contract_is(net, repairs):
    """A playbook that nobody trained on gets the very logits of one with an equal contract."""
    seen = inputs(repairs)
    twin = replace(repairs[4], name="never_seen")
    more = [*repairs, twin]
    may = pairs(seen.mask, repairs)
    mask = torch.cat((torch.cat((may, may[..., 4:5]), -1).flatten(1), seen.mask[:, -OTHERS:]), -1)
    wider = seen._replace(
        tried=torch.cat((seen.tried, seen.tried[..., 4:5]), -1),
        unmet=torch.cat((seen.unmet, seen.unmet[..., 4:5]), -1),
        contracts=contract_rows(more),
        mask=mask,
    )
    logits = pairs(net.logits(wider).action, more)
    assert torch.equal(logits[..., 4], logits[..., -1])
    assert (logits[..., 4] > -1e4).any()


def test_another_contract_is_another_repair(net, repairs):
    """What a repair is for, when it may be tried and what it risks all count."""
    one = repairs[0]
    others = [
        replace(one, repairs=(Failure.DNS_BROKEN,)),
        replace(one, rung=one.rung + 1),
        replace(one, preconditions=one.verify.healthy),
        replace(one, idempotent=not one.idempotent),
        replace(one, touches=("process",)),
    ]
    rows = contract_rows([one, *others])
    assert rows.shape == (6, CONTRACT_COLUMNS)
    assert len({tuple(row) for row in rows.tolist()}) == 6


def test_every_real_repair_has_a_contract_of_its_own():
    """Otherwise no network could tell two playbooks apart."""
    rows = contract_rows(list(load_repairs(REPAIRS).repairs.values()))
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)


def test_repaired_failures_are_those_of_the_contract(repairs):
    """The first columns, in the order of the failure classes."""
    table = repaired_failures(contract_rows(repairs))
    for row, repair in zip(table.tolist(), repairs, strict=True):
        assert {FAILURE_CLASSES[column] for column, flag in enumerate(row) if flag} == set(repair.repairs)


def test_the_order_of_the_catalogue_does_not_matter(net, repairs):
    """Shuffled repairs get the same logits, shuffled."""
    seen = inputs(repairs)
    shuffle = torch.randperm(len(repairs), generator=torch.Generator().manual_seed(1))
    may = pairs(seen.mask, repairs)[..., shuffle].flatten(1)
    other = seen._replace(
        tried=seen.tried[..., shuffle],
        unmet=seen.unmet[..., shuffle],
        contracts=seen.contracts[shuffle],
        mask=torch.cat((may, seen.mask[:, -OTHERS:]), -1),
    )
    here, there = net.logits(seen), net.logits(other)
    assert torch.allclose(pairs(here.action, repairs)[..., shuffle], pairs(there.action, repairs), atol=1e-4)
    assert torch.allclose(here.failure, there.failure, atol=1e-4)


def test_padding_changes_nothing(net, repairs):
    """Absent entities, whatever their rows hold, do not move any answer."""
    seen = inputs(repairs, entities=4)
    may = pairs(seen.mask, repairs)
    wider = seen._replace(
        entities=torch.cat((seen.entities, torch.full_like(seen.entities, 1e6)), 1),
        kind=torch.cat((seen.kind, seen.kind), 1),
        present=torch.cat((seen.present, torch.zeros_like(seen.present)), 1),
        tried=torch.cat((seen.tried, torch.zeros_like(seen.tried)), 1),
        unmet=torch.cat((seen.unmet, seen.unmet), 1),
        mask=torch.cat((torch.cat((may, torch.zeros_like(may)), 1).flatten(1), seen.mask[:, -OTHERS:]), -1),
    )
    failure, wrong, action = net(*seen)
    padded, padded_wrong, padded_action = net(*wider)
    assert torch.allclose(failure, padded[:, :4], atol=1e-5)
    assert torch.allclose(wrong, padded_wrong, atol=1e-5)
    assert torch.allclose(pairs(action, repairs), pairs(padded_action, repairs)[:, :4], atol=1e-5)


def test_what_was_tried_is_seen(net, repairs):
    """One attempt more, and how it ended, changes the answer."""
    seen = inputs(repairs, batch=1)
    nothing = torch.zeros_like(seen.tried)
    answers = []
    for how in (0, *ENDINGS):
        tried = nothing.clone()
        tried[0, 2, 3] = how
        answers.append(net.logits(seen._replace(tried=tried)).action)
    assert all(not torch.allclose(one, other) for n, one in enumerate(answers) for other in answers[:n])


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e30, 0.0])
def test_any_value_gives_a_finite_answer(net, repairs, value):
    """A host where a collector failed, or lied wildly, never gets NaN."""
    seen = inputs(repairs)
    seen = seen._replace(host=torch.full_like(seen.host, value), entities=torch.full_like(seen.entities, value))
    assert all(torch.isfinite(answer).all() for answer in net(*seen))


def test_a_kind_has_the_failures_it_can_have(net, repairs):
    """And all kinds can be in order, or fail in a way that has no name."""
    seen = inputs(repairs)
    failure, _, _ = net(*seen)
    assert (failure[~possible_classes(FAILURE_CLASSES)[seen.kind]] == 0).all()
    assert possible_classes(FAILURE_CLASSES)[:, FAILURE_CLASSES.index(Failure.UNKNOWN)].all()


def test_the_network_is_small():
    """It stays within the size that answers sixteen entities in two milliseconds on one thread."""
    assert 100_000 < parameter_count(PolicyNet()) < 400_000
