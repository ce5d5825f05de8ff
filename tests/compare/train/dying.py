"""A comparison as a user's file, one rank of which can be made to die: DIES=RANK:STEP:SIGNAL in the environment."""

import os

import numpy as np

from torchref.compare import Comparison, Data
from torchref.compare.train import variant

variant.CHECKPOINT_SECONDS = -1.0  # a checkpoint after every step


def data():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((64, 5)), rng.integers(0, 3, 64)
    return Data(x[:48], labels[:48], x[48:], labels[48:])


def model(nn, p):
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(p), nn.Linear(7, 3))


def optimizer(optim, parameters):
    made = optim.SGD(parameters, lr=0.05, momentum=0.9)
    rank, step, signal = map(int, os.environ.get("DIES", "-1:0:0").split(":"))
    if os.environ.get("RANK") == str(rank) and optim.__name__ == "torch.optim":
        take_step, steps = made.step, iter(range(step))

        def dying_step():
            if next(steps, None) is None:
                os.kill(os.getpid(), signal)
            take_step()

        made.step = dying_step
    return made


dying = Comparison(
    name="dying",
    claim="a run goes on after a rank has died",
    model=model,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=optimizer,
    data=data,
    variants={"plain": {"p": 0.0}, "dropout": {"p": 0.3}},
    epochs=2,
    batch_size=12,
    device="cpu",
)
