"""torch.optim in NumPy: one file an optimizer or a close family, the update equations above the code.

Left out, with the reason: `swap_in_optimizer_params_and_state` and the register_*_hook methods serve torch's tracing
and distributed training; complex parameters, because the networks here are real; sparse gradients but in SparseAdam.
"""

from torchref.optim import lr_scheduler, swa_utils
from torchref.optim.adadelta import Adadelta
from torchref.optim.adafactor import Adafactor
from torchref.optim.adagrad import Adagrad
from torchref.optim.adam import Adam, AdamW
from torchref.optim.adamax import Adamax
from torchref.optim.asgd import ASGD
from torchref.optim.lbfgs import LBFGS
from torchref.optim.muon import Muon
from torchref.optim.nadam import NAdam
from torchref.optim.optimizer import Optimizer
from torchref.optim.radam import RAdam
from torchref.optim.rmsprop import RMSprop
from torchref.optim.rprop import Rprop
from torchref.optim.sgd import SGD
from torchref.optim.sparse_adam import SparseAdam, SparseGradient

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "SparseGradient",
    "lr_scheduler",
    "swa_utils",
]
