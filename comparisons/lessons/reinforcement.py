"""No desired output, only a reward: a policy gradient learns to balance a pole.

Varied: descent on the policy gradient's loss, whose gradient is derived in `torchref.models.policy`, with the real
rewards, or with the rewards shuffled among the steps, so that they say nothing.
Measured: for how many of at most 200 steps the pole stands, over the last 5 rounds of 20 episodes.
Refuted by: poles that stand no longer than at the start, or as long with shuffled rewards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.datasets.pole import play, random_play, steps_with_advantages
from torchref.compare.teach import Figures, Finding, Lesson, Trained, larger
from torchref.models.plain import policy_network
from torchref.models.policy import PolicyGradientLoss, torch_policy_gradient_loss

EPISODES, LONGEST = 20, 200


def learning(rewards: str) -> Comparison:
    """A policy that learns from its rewards, or from shuffled ones."""
    return Comparison(
        name="reinforcement",
        claim="",
        model=lambda nn, rewards: policy_network(nn),
        loss=lambda nn: torch_policy_gradient_loss(nn) if nn.__name__ == "torch.nn" else PolicyGradientLoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.02),
        data=random_play,
        variants={rewards: {"rewards": rewards}},
        epochs=25,  # rounds
    )


def train(trained: Trained) -> None:
    """Each round: play with the policy as it is, then one step on what was played."""

    def right(state: Any) -> Any:
        logits = trained.model.predict(state)
        return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))

    shuffled = "shuffled" in trained.comparison.variants
    for _ in range(trained.comparison.epochs):
        episodes = play(right, EPISODES, trained.rng, LONGEST)
        states, target = steps_with_advantages(episodes)
        if shuffled:
            target[:, 1] = trained.rng.permutation(target[:, 1])
        trained.step(states, target)
        trained.note("steps that the pole stands", float(episodes.lengths.mean()))
        if trained.stop:
            break


def measure(trained: Trained) -> dict[str, float]:
    stands = trained.curve("steps that the pole stands")
    return {"first": stands[:2].mean(), "last": stands[-5:].mean()}


def judge(f: Figures) -> list[Finding]:
    real, shuffled = f["rewards"], f["shuffled"]
    return [
        larger("the pole stands at least twice as long as at the start", real["last"], 2 * real["first"]),
        larger("and longer than with rewards that are shuffled", real["last"], shuffled["last"], by=20),
    ]


lesson = Lesson(
    name="reinforcement",
    claim=__doc__ or "",
    variants={"rewards": learning("rewards"), "shuffled": learning("shuffled")},
    measure=measure,
    judge=judge,
    cards=("steps that the pole stands", "figures/last"),
    control="shuffled",
    train=train,
    quick=4,
    tags={
        "steps that the pole stands": "How long the pole stands in an episode, the mean of the batch: the reward.",
    },
)
