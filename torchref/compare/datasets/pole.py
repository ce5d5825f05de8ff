"""The pole on the cart (Barto, Sutton & Anderson 1983), simulated, with the constants of gymnasium's CartPole-v1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from torchref.compare.data import Data, split
from torchref.nn.module import Array

__all__ = ["fallen", "play", "push", "random_play", "steps_with_advantages"]

GRAVITY, CART, POLE, HALF_LENGTH = 9.8, 1.0, 0.1, 0.5  # m/s^2, kg, kg, m
FORCE, SECONDS = 10.0, 0.02  # N, and the length of a step
WIDEST, STEEPEST = 2.4, 12 * np.pi / 180  # metres from the middle and angle from upright at which the pole has fallen
LONGEST = 500  # steps of an episode

Policy = Callable[[Array], Array]  # states (N, 4) -> probability of pushing right (N,)


def start(count: int, rng: np.random.Generator) -> Array:
    """`count` states (position, velocity, angle, angular velocity) near rest: (count, 4)."""
    return rng.uniform(-0.05, 0.05, (count, 4))


def push(state: Array, action: Array) -> Array:
    """The states (N, 4) one step after pushing left (0) or right (1), by Euler's rule."""
    position, velocity, angle, turning = state.T
    force = np.where(action == 1, FORCE, -FORCE)
    total, moment = CART + POLE, POLE * HALF_LENGTH
    sine, cosine = np.sin(angle), np.cos(angle)
    thrust = (force + moment * turning**2 * sine) / total
    angular = (GRAVITY * sine - cosine * thrust) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / total))
    acceleration = thrust - moment * angular * cosine / total
    moved = [position + SECONDS * velocity, velocity + SECONDS * acceleration]
    turned = [angle + SECONDS * turning, turning + SECONDS * angular]
    return np.stack([*moved, *turned], axis=1)


def fallen(state: Array) -> Array:
    """Which of the states (N, 4) end an episode."""
    return (np.abs(state[:, 0]) > WIDEST) | (np.abs(state[:, 2]) > STEEPEST)


@dataclass(frozen=True)
class Episodes:
    """N episodes side by side. After an episode's end its rows are zero, and `alive` is False."""

    states: Array  # (T, N, 4)
    actions: Array  # (T, N) of 0 and 1
    alive: Array  # (T, N): the step was made; the reward of a step is 1

    @property
    def lengths(self) -> Array:
        """How long each pole stood: (N,)."""
        lengths: Array = self.alive.sum(axis=0)
        return lengths

    def returns(self, discount: float = 0.99) -> Array:
        """The discounted rewards from each step on, G_t = 1 + discount G_(t+1): (T, N)."""
        returns = np.zeros(self.alive.shape)
        following = np.zeros(self.alive.shape[1])
        for t in reversed(range(len(returns))):
            following = self.alive[t] * (1 + discount * following)
            returns[t] = following
        return returns


def play(policy: Policy, count: int, rng: np.random.Generator, longest: int = LONGEST) -> Episodes:
    """Let `policy` balance `count` poles."""
    state = start(count, rng)
    alive = np.ones(count, bool)
    states: list[Array] = []
    actions: list[Array] = []
    lived: list[Array] = []
    while alive.any() and len(states) < longest:
        action = (rng.random(count) < policy(state)).astype(np.int64)
        states.append(np.where(alive[:, None], state, 0.0))
        actions.append(np.where(alive, action, 0))
        lived.append(alive)
        state = push(state, action)
        alive = alive & ~fallen(state)
    return Episodes(np.stack(states), np.stack(actions), np.stack(lived))


def steps_with_advantages(episodes: Episodes, discount: float = 0.99) -> tuple[Array, Array]:
    """The steps made, as training examples: states (M, 4), and (M, 2) of the action and its standardised return."""
    returns = episodes.returns(discount)[episodes.alive]
    advantage = (returns - returns.mean()) / (returns.std() + 1e-8)
    return episodes.states[episodes.alive], np.stack([episodes.actions[episodes.alive], advantage], axis=1)


def random_play(count: int = 64, seed: int = 0) -> Data:
    """Steps of a policy that pushes at random, for a first policy gradient: see `steps_with_advantages`."""
    episodes = play(lambda state: np.full(len(state), 0.5), count, np.random.default_rng(seed))
    return split(*steps_with_advantages(episodes), 0.2, seed)
