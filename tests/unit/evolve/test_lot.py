"""What may be drawn, and how often."""

import torch

from ordertrainer.evolve.lot import Gates, divergence, log_lots
from ordertrainer.nets.policy import FORBIDDEN, OTHERS

B, REPAIRS = 6, 5
OPEN = torch.ones(B, dtype=torch.bool)


def logits(seed=0):
    """Return logits in which the first repair may not be done, and on the last host none."""
    some = torch.randn(B, REPAIRS + OTHERS, generator=torch.Generator().manual_seed(seed))
    some[:, 0] = FORBIDDEN
    some[-1, :REPAIRS] = FORBIDDEN
    return some


def test_lots_are_probabilities_of_what_may_be_done():
    """They add up to 1; what is forbidden is never drawn, and neither is STOP."""
    drawn = log_lots(logits(), Gates(OPEN, OPEN)).exp()
    torch.testing.assert_close(drawn.sum(-1), torch.ones(B))
    assert (drawn[:, 0] == 0.0).all()
    assert (drawn[:, REPAIRS + 1] == 0.0).all()
    assert (drawn[-1, :REPAIRS] == 0.0).all()
    assert (drawn[:-1, 1:REPAIRS] > 0.0).all()


def test_a_closed_gate_forbids():
    """Nothing is repaired, nobody is called, before it is wanted for long enough."""
    drawn = log_lots(logits(), Gates(~OPEN, OPEN)).exp()
    assert (drawn[:, :REPAIRS] == 0.0).all()
    assert (drawn[:, -1] > 0.0).all()
    drawn = log_lots(logits(), Gates(~OPEN, ~OPEN)).exp()
    torch.testing.assert_close(drawn[:, REPAIRS], torch.ones(B))


def test_repairs_share_what_repairing_is_worth():
    """Ten repairs of 0.08 each do not lose against a person of 0.2, as for what acts on a host."""
    beliefs = torch.tensor([[0.08] * 10 + [1e-9, 1e-9, 0.2]]).log()
    drawn = log_lots(beliefs, Gates(OPEN[:1], OPEN[:1])).exp()[0]
    assert drawn[:10].sum() > 0.95
    assert drawn[-1] < 0.05


def test_lots_are_sharper_than_beliefs():
    """What is believed with 0.1 against 0.9 is drawn once in 730 times."""
    beliefs = torch.tensor([[0.1, 0.9, 1e-9, 1e-9]]).log()
    torch.testing.assert_close(
        log_lots(beliefs, Gates(OPEN[:1], OPEN[:1])).exp()[0, 0], torch.tensor(1 / 730.0), rtol=1e-3, atol=0
    )


def test_the_divergence_is_that_of_categorical_distributions():
    """Over what may be drawn; nothing from itself."""
    one, other = (log_lots(logits(seed), Gates(OPEN, OPEN)) for seed in (0, 1))
    several = [torch.distributions.Categorical(probs=each.exp()[:-1]) for each in (one, other)]
    torch.testing.assert_close(divergence(one, other)[:-1], torch.distributions.kl_divergence(*several), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(divergence(one, one), torch.zeros(B))


def test_gradients_are_finite_where_nothing_may_be_done():
    """A host on which all is forbidden teaches nothing, and breaks nothing."""
    some = logits().requires_grad_()
    lots = log_lots(some, Gates(OPEN, ~OPEN))
    (lots[:, REPAIRS].sum() + divergence(lots, lots.detach() + 0.0).sum()).backward()
    assert some.grad is not None
    assert some.grad.isfinite().all()
