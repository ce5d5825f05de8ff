"""torch.optim.lr_scheduler in NumPy: the learning rate as a function of the epoch.

A scheduler changes `group["lr"]` of every parameter group each time `scheduler.step()` is called, which comes after
`optimizer.step()`. Most are written as torch writes them, as a recurrence on the current rate, so that schedulers can
be chained: each multiplies what it finds. Where there is a closed form, it is given beside the recurrence.
"""

from torchref.optim.lr_scheduler.base import LRScheduler
from torchref.optim.lr_scheduler.compose import ChainedScheduler, SequentialLR
from torchref.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from torchref.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from torchref.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from torchref.optim.lr_scheduler.functions import LambdaLR, MultiplicativeLR
from torchref.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
