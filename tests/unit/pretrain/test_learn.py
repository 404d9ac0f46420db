"""The training: learns, resumes, refuses, and hands its weights on."""

import json
from dataclasses import replace

import pytest
import torch

from ordertrainer.imitation.checkpoint import CheckpointError, read
from ordertrainer.imitation.toy import toy_examples
from ordertrainer.imitation.train import Data, train
from ordertrainer.imitation.train import Settings as Labelled
from ordertrainer.nets.order import OrderNet, Shape
from ordertrainer.nets.policy import PolicyNet, PolicyShape
from ordertrainer.policy import cli as policy_cli
from ordertrainer.policy.checkpoint import read_policy
from ordertrainer.policy.imitate import Settings as Imitation
from ordertrainer.policy.imitate import imitate
from ordertrainer.policy.iterations import BEST, HISTORY, LAST, Bounds
from ordertrainer.policy.levels import Trained
from ordertrainer.policy.playbooks import load_playbooks
from ordertrainer.policy.rollout import Rollout
from ordertrainer.pretrain.checkpoint import TRUNK, begin_with, net_of, read_pretrained, save_pretrained
from ordertrainer.pretrain.cost import mean_bits
from ordertrainer.pretrain.learn import Sources, pretrain
from ordertrainer.pretrain.simulated import Watch, simulated

SMALL = Shape(width=16, hidden=24, layers=1, heads=2, dropout=0.0)


@pytest.fixture(scope="module")
def sources(world, held):
    """Return what is learned from: simulated hosts alone."""
    return Sources(world=world, held=held)


def test_a_short_training_pays_less_and_less_for_hosts_it_never_saw(sources, brief, silent, tmp_path):
    """Bits a value fall within two short iterations, on hosts of another seed."""
    path = pretrain(sources, tmp_path, replace(brief, steps=40), bounds=Bounds(iterations=2), watcher=silent)
    chaos = Trained(sources.world, sources.held)
    unseen = simulated(sources.world, chaos, Watch(hosts=16, seconds=15, share=0.2), 99)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text(encoding="utf-8").splitlines()]
    net = net_of(read_pretrained(path))
    assert [line["iteration"] for line in lines] == [0, 1]
    assert lines[1]["bits"] < lines[0]["bits"]
    assert mean_bits(net, unseen) < 2.0


def test_a_training_that_goes_on_ends_where_an_unbroken_one_does(sources, brief, silent, tmp_path):
    """To the bit: weights, their mean, and what was said of the iterations."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    pretrain(sources, whole, brief, bounds=Bounds(iterations=3), watcher=silent)
    for iterations in (1, 3):
        pretrain(sources, broken, brief, bounds=Bounds(iterations=iterations), watcher=silent)
    one, other = (read_pretrained(folder / LAST) for folder in (whole, broken))
    for part in ("weights", "learner"):
        assert all(torch.equal(one[part][name], other[part][name]) for name in one[part])
    drop = {"seconds"}
    assert [{k: v for k, v in line.items() if k not in drop} for line in one["history"]] == [
        {k: v for k, v in line.items() if k not in drop} for line in other["history"]
    ]


def test_a_folder_belongs_to_one_training(sources, brief, silent, tmp_path):
    """Other settings or another data directory are refused, with what to do."""
    pretrain(sources, tmp_path, brief, bounds=Bounds(iterations=1), watcher=silent)
    with pytest.raises(CheckpointError, match=r"other settings; choose another --out"):
        pretrain(sources, tmp_path, replace(brief, batch=17), bounds=Bounds(iterations=2), watcher=silent)
    with pytest.raises(CheckpointError, match="other data_digest"):
        pretrain(replace(sources, digest="x"), tmp_path, brief, bounds=Bounds(iterations=2), watcher=silent)


def test_recorded_moments_are_learned_from_too(sources, brief, silent, tmp_path):
    """With recorded runs half of every batch is theirs, and they are scored apart."""
    chaos = Trained(sources.world, sources.held)
    other = simulated(sources.world, chaos, Watch(hosts=10, seconds=10, share=0.5), 7).widened(40)
    both = replace(sources, recorded=other, tune=other, digest="d")
    path = pretrain(both, tmp_path / "both", brief, bounds=Bounds(iterations=1), watcher=silent)
    pretrain(sources, tmp_path / "one", brief, bounds=Bounds(iterations=1), watcher=silent)
    assert set(read_pretrained(path)["tune"]["sets"]) == {"simulated", "recorded"}
    mine, theirs = (read_pretrained(tmp_path / folder / BEST)["weights"] for folder in ("both", "one"))
    assert not torch.equal(mine["host.fold.0.weight"], theirs["host.fold.0.weight"])


@pytest.mark.parametrize(
    "make", [lambda: OrderNet(SMALL), lambda: PolicyNet(PolicyShape(width=16, hidden=24, layers=1, heads=2))]
)
def test_models_begin_with_pretrained_encoders_and_blocks(untrained, tmp_path, make):
    """Every weight of the trunk, and the scales, are handed on; heads stay as they were."""
    untrained.host.normaliser.mean.fill_(3.0)
    save_pretrained(tmp_path / "best.pt", untrained)
    torch.manual_seed(9)
    net = make()
    heads = {name: value.clone() for name, value in net.state_dict().items() if not name.startswith(TRUNK)}
    begin_with(net, tmp_path / "best.pt")
    weights = net.state_dict()
    assert all(torch.equal(weights[n], v) for n, v in untrained.state_dict().items() if n.startswith(TRUNK))
    assert all(torch.equal(weights[name], value) for name, value in heads.items())
    assert float(weights["host.normaliser.mean"][0]) == 3.0


def test_other_sizes_and_other_checkpoints_are_refused(untrained, tmp_path):
    """Before anything is changed."""
    save_pretrained(tmp_path / "best.pt", untrained)
    with pytest.raises(CheckpointError, match="another size"):
        begin_with(OrderNet(), tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match="ordertrainer"):
        begin_with(OrderNet(), tmp_path / "none.pt")


def test_a_training_with_labels_begins_with_pretrained_weights(untrained, tmp_path):
    """Nothing learned, the order model's trunk is the pretrained one; the folder belongs to these weights."""
    save_pretrained(tmp_path / "best.pt", untrained)
    data = Data(train=toy_examples(seed=1, runs=10, name="a"), tune=toy_examples(seed=2, runs=10, name="b"), digest="")
    still = Labelled(epochs=1, steps=1, batch=8, learning_rate=0.0, shape=SMALL)
    train(data, tmp_path / "order", still, lambda _line: None, pretrained=tmp_path / "best.pt")
    weights = read(tmp_path / "order" / "last.pt")["weights"]
    assert all(torch.equal(weights[n], v) for n, v in untrained.state_dict().items() if n.startswith(TRUNK))
    with pytest.raises(CheckpointError, match="other pretrained"):
        train(data, tmp_path / "order", still, lambda _line: None)


def test_imitation_begins_with_pretrained_weights(untrained, held, silent, tmp_path):
    """Nothing learned, the policy's trunk is the pretrained one, with its scales."""
    untrained.entity.normaliser.gain.fill_(2.0)
    save_pretrained(tmp_path / "best.pt", untrained)
    shape = PolicyShape(width=16, hidden=24, layers=1, heads=2)
    rollout = Rollout(hosts=12, seconds=20, keep_act=1.0, keep_tense=0.5, keep_calm=0.3)
    still = Imitation(rollout=rollout, steps=1, batch=8, learning_rate=0.0, tune_hosts=2, shape=shape)
    imitate(
        load_playbooks(),
        held,
        tmp_path / "policy",
        still,
        bounds=Bounds(iterations=1),
        watcher=silent,
        pretrained=tmp_path / "best.pt",
    )
    weights = read_policy(tmp_path / "policy" / "last.pt")["weights"]
    assert all(torch.equal(weights[n], v) for n, v in untrained.state_dict().items() if n.startswith(TRUNK))


def test_a_policy_takes_the_sizes_of_the_weights_that_it_begins_with(untrained, tmp_path):
    """And keeps its own dropout; without weights it has its own sizes."""
    save_pretrained(tmp_path / "best.pt", untrained)
    assert policy_cli._shape(tmp_path / "best.pt") == PolicyShape(width=16, hidden=24, layers=1, heads=2)
    assert policy_cli._shape(None) == PolicyShape()
