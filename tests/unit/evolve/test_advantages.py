"""GAE and the clipped loss are those of TorchRL."""

import warnings

import pytest
import torch

from ordertrainer.evolve.advantages import advantages, clipped

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tensordict import TensorDict
    from tensordict.nn import ProbabilisticTensorDictModule, ProbabilisticTensorDictSequential, TensorDictModule
    from torchrl.modules import ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value.functional import generalized_advantage_estimate


def rollouts(seed, steps=17, hosts=9):
    """Return rewards, values before and after, and ends of both kinds."""
    generator = torch.Generator().manual_seed(seed)
    reward, value, following = (torch.randn(steps, hosts, generator=generator) for _ in range(3))
    ends = torch.rand(2, steps, hosts, generator=generator) < 0.15
    return reward, value, following, ends[0], ends[1] & ~ends[0]


@pytest.mark.parametrize(("gamma", "decay"), [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0)])
def test_advantages_are_those_of_torchrl(gamma, decay):
    """With terminated and truncated steps among them; a truncated one is worth what was expected, and ends the sum."""
    reward, value, following, terminated, truncated = rollouts(1)
    mine = advantages(reward, value, following, terminated=terminated, truncated=truncated, gamma=gamma, decay=decay)
    shaped = [each.T[..., None] for each in (value, following, reward, terminated | truncated, terminated)]
    theirs, _ = generalized_advantage_estimate(gamma, decay, *shaped)
    torch.testing.assert_close(mine, theirs[..., 0].T, rtol=1e-5, atol=1e-5)


def test_the_clipped_loss_and_its_gradient_are_those_of_torchrl():
    """For a discrete policy, with ratios far outside of the clip on both sides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _compare()


def _compare():
    torch.manual_seed(2)
    batch, actions, clip = 64, 5, 0.2
    logits = torch.nn.Linear(3, actions)
    actor = ProbabilisticTensorDictSequential(
        TensorDictModule(logits, in_keys=["seen"], out_keys=["logits"]),
        ProbabilisticTensorDictModule(
            in_keys=["logits"], out_keys=["action"], distribution_class=torch.distributions.Categorical, return_log_prob=True
        ),
    )
    loss = ClipPPOLoss(
        actor,
        ValueOperator(torch.nn.Linear(3, 1), in_keys=["seen"]),
        clip_epsilon=clip,
        entropy_bonus=False,
        normalize_advantage=False,
    )
    seen, advantage = torch.randn(batch, 3), torch.randn(batch)
    action = torch.randint(0, actions, (batch,))
    then = torch.log_softmax(torch.randn(batch, actions), -1).gather(1, action[:, None])[:, 0]
    data = TensorDict(
        {
            "seen": seen,
            "action": action,
            loss.tensor_keys.sample_log_prob: then,
            "advantage": advantage[:, None],
            "value_target": torch.zeros(batch, 1),
        },
        [batch],
    )
    theirs = loss(data)["loss_objective"]
    now = torch.log_softmax(logits(seen), -1).gather(1, action[:, None])[:, 0]
    ratio = (now - then).exp()
    assert ((ratio < 1 - clip).any(), (ratio > 1 + clip).any()) == (True, True)
    mine = clipped(now, then, advantage, torch.ones(batch), clip)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    (wanted,) = torch.autograd.grad(theirs, [dict(loss.named_parameters())[_weight(loss)]], retain_graph=True)
    (found,) = torch.autograd.grad(mine, [logits.weight])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def _weight(loss):
    """Return the name under which the loss keeps the weights of the policy."""
    return next(name for name, value in loss.named_parameters() if name.startswith("actor") and value.ndim == 2)


def test_a_decision_that_stands_for_two_counts_as_two():
    """Weights of decisions that were kept make up for those that were not."""
    now, then, advantage = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).unbind()
    twice = torch.tensor([0, 1, 1, 2, 3])
    one = clipped(now, then, advantage, torch.tensor([1.0, 2.0, 1.0, 1.0]), 0.2)
    other = clipped(now[twice], then[twice], advantage[twice], torch.ones(5), 0.2)
    torch.testing.assert_close(one, other)
