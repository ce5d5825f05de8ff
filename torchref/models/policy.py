"""The policy gradient (Williams 1992) as a loss, and its torch twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref import nn
from torchref.nn.module import Array, Backward, Module


class PolicyGradientLoss(Module):
    """loss = -1/N sum_n advantage_n log pi(action_n | state_n): what paid is made likelier, what did not, less likely.

    Shapes: logits (N, A) of the policy pi = softmax(logits), target (N, 2) of actions and advantages, both constants.

    Backward. log pi(a) = logits_a - log sum_k exp logits_k, so
        dL/dlogits_nk = -advantage_n / N ([k = action_n] - pi_nk)
    a cross-entropy whose every example is weighed by what came of it.
    """

    def __init__(self) -> None:
        self.likelihood = nn.CrossEntropyLoss(reduction="none")

    def forward(self, logits: Array, target: Array) -> tuple[Array, Backward]:
        actions, advantage = target[:, 0].astype(np.int64), target[:, 1]
        losses, likelihood_backward = self.likelihood(logits, actions)  # (N,), -log pi
        loss = np.asanyarray((advantage * losses).sum() / len(losses))

        def backward(dloss: Array | None = None) -> Array:
            share = np.asanyarray((np.ones_like(loss) if dloss is None else dloss) / len(losses))
            return likelihood_backward(share * advantage)

        return loss, backward


def torch_policy_gradient_loss(nn: Any) -> Any:
    """The torch twin of `PolicyGradientLoss`."""

    class PolicyGradientLoss(nn.Module):
        def forward(self, logits: Any, target: Any) -> Any:
            actions, advantage = target[:, 0].long(), target[:, 1]
            losses = nn.functional.cross_entropy(logits, actions, reduction="none")
            return (advantage * losses).sum() / len(losses)

    return PolicyGradientLoss()
