"""ELU, CELU, SELU: rectifiers that bend smoothly into an exponential for x <= 0."""

from __future__ import annotations

import numpy as np

from torchref.nn.activation import InplaceModule
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating, check_numbers
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.rectifier import zeros_row


def exponential_unit(x: Array, function: str, alpha: float, scale: float, rate: float) -> tuple[Array, Backward]:
    """y = scale x where x > 0, else scale alpha (exp(rate x) - 1): what ELU, CELU and SELU have in common.

    Backward. y' = scale where x > 0, else scale alpha rate exp(rate x).
    """
    check_floating(function, input=x)
    check_numbers(function, alpha=alpha)
    zero = zeros_row(x)
    negative = rate * np.minimum(x, zero)  # exp(negative) cannot overflow where x > 0
    y = np.expm1(negative, out=np.empty_like(x))
    y *= alpha
    y += np.maximum(x, zero)  # one of the two terms is 0
    y *= scale

    def backward(dy: Array) -> Array:
        dx = np.exp(negative, out=np.empty_like(x))  # 1 where x > 0
        dx *= alpha * rate
        if alpha * rate != 1:
            dx += (1 - alpha * rate) * (x > 0).astype(x.dtype)  # 1 again there
        dx *= scale
        dx *= dy
        return dx

    return y, backward


@takes_any_array
def elu(x: Array, alpha: float = 1.0) -> tuple[Array, Backward]:
    """y = x where x > 0, else alpha (exp(x) - 1).

    Backward. y' = 1 where x > 0, else alpha exp(x), so alpha at the kink x = 0.

    Equals `torch.nn.functional.elu`. Clevert, Unterthiner & Hochreiter 2016.
    """
    return exponential_unit(x, "elu", alpha, scale=1.0, rate=1.0)


class ELU(Module):
    """`elu` as a module. Equals `torch.nn.ELU`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(elu, input, alpha=self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


@takes_any_array
def celu(x: Array, alpha: float = 1.0) -> tuple[Array, Backward]:
    """y = x where x > 0, else alpha (exp(x / alpha) - 1): an ELU without a kink.

    Backward. y' = 1 where x > 0, else exp(x / alpha), which is 1 at x = 0, whatever alpha.

    Errors: RuntimeError if alpha is 0. Equals `torch.nn.functional.celu` (whose backward rounds alpha to float32: with
    alpha=0.7, say, its float64 gradient is off by 2e-8). Barron 2017.
    """
    check_numbers("celu", alpha=alpha)
    if alpha == 0:
        raise RuntimeError(f"celu(): alpha cannot be 0, but got alpha={alpha}")
    return exponential_unit(x, "celu", alpha, scale=1.0, rate=1 / alpha)


class CELU(Module):
    """`celu` as a module. Equals `torch.nn.CELU`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(celu, input, alpha=self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


# With these two, a normal input of mean 0 and variance 1 gives an output of mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@takes_any_array
def selu(x: Array) -> tuple[Array, Backward]:
    """y = scale x where x > 0, else scale alpha (exp(x) - 1), with scale 1.0507... and alpha 1.6732...

    These keep a layer's outputs at mean 0 and variance 1 if its inputs have them.

    Backward. y' = scale where x > 0, else scale alpha exp(x), so 1.758 at the kink x = 0.

    Equals `torch.nn.functional.selu`. Klambauer et al. 2017.
    """
    return exponential_unit(x, "selu", SELU_ALPHA, SELU_SCALE, rate=1.0)


class SELU(InplaceModule):
    """`selu` as a module. Equals `torch.nn.SELU`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(selu, input)
