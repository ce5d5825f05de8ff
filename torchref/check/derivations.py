"""Where the derivation of an operation stands."""

from __future__ import annotations

from torchref.check.ops import Op
from torchref.nn import functional

MANUAL = "manual/derivations"
PAGES = {
    "linear": "linear.md",
    "softmin": "softmax.md",
    "softmax": "softmax.md",
    "log_softmax": "softmax.md",
    "cross_entropy": "softmax-cross-entropy.md",
    "nll_loss": "softmax-cross-entropy.md",
    "embedding": "embedding.md",
}
FAMILY_PAGES = {
    "linear": "linear.md",
    "softmin": "softmax.md",
    "conv": "convolution.md",
    "pool": "pooling.md",
    "elementwise": "activations.md",
}


def derivation(op: Op) -> str:
    """Where the derivation stands: the docstring, and the manual's page if there is one."""
    name = op.name.replace("norm2d", "norm")
    page = op.derivation or PAGES.get(op.name) or FAMILY_PAGES.get(op.family)
    if op.name == "exp":
        return f"{MANUAL}/{page}"
    own = f"functional.{name}" if hasattr(functional, name) else op.modules[0]  # derived with the module
    where = f"the docstring of torchref.nn.{own}"
    return f"{MANUAL}/{page}, and {where}" if page else where
