"""Generalised advantage estimation and the clipped loss, as tests hold them against TorchRL. Pure; imports torch.

Axes: T step, N host, B decision.

References:
    Schulman et al. 2016, High-Dimensional Continuous Control Using Generalized Advantage Estimation, eq. 16.
    Schulman et al. 2017, Proximal Policy Optimization Algorithms, eq. 7.
"""

import torch
from torch import Tensor


def advantages(
    reward: Tensor, value: Tensor, following: Tensor, *, terminated: Tensor, truncated: Tensor, gamma: float, decay: float
) -> Tensor:
    """Return [T, N]: how much better it went than was expected.

    Args:
        reward: [T, N] of each step.
        value: [T, N] expected before it.
        following: [T, N] expected after it, before any reset.
        terminated: [T, N] bool, nothing follows.
        truncated: [T, N] bool, what follows was not seen: it is worth what was expected.
        gamma: discount of a step.
        decay: lambda, how much later surprises count.
    """
    surprise = reward + gamma * following * ~terminated - value
    found, later = torch.zeros_like(reward), torch.zeros_like(reward[0])
    goes_on = ~(terminated | truncated)
    for step in range(len(reward) - 1, -1, -1):
        later = surprise[step] + gamma * decay * goes_on[step] * later
        found[step] = later
    return found


def clipped(log_now: Tensor, log_then: Tensor, advantage: Tensor, weight: Tensor, clip: float) -> Tensor:
    """Return the clipped loss, a mean over decisions by their weight.

    Args:
        log_now: [B] logarithm of the probability with which what was done would be done now.
        log_then: [B] with which it was done.
        advantage: [B].
        weight: [B], how many decisions each stands for.
        clip: how far a probability's ratio may move before it stops to pay.
    """
    ratio = torch.exp(log_now - log_then)
    gain = torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
    return -(gain * weight).sum() / weight.sum()
