"""Where the derivation of an operation stands."""

from __future__ import annotations

from torchref.check.ops import Op

MANUAL = "manual/derivations"
PAGES = {
    "softmax": "softmax.md",
    "log_softmax": "softmax.md",
    "cross_entropy": "softmax-cross-entropy.md",
    "nll_loss": "softmax-cross-entropy.md",
    "layer_norm": "layer-norm.md",
    "batch_norm": "batch-norm.md",
    "batch_norm2d": "batch-norm.md",
    "embedding": "embedding.md",
    "scaled_dot_product_attention": "attention.md",
}
FAMILY_PAGES = {
    "conv": "convolution.md",
    "pool": "pooling.md",
    "recurrent": "rnn-lstm.md",
    "elementwise": "activations.md",
}


def derivation(op: Op) -> str:
    """Where the derivation stands: the docstring, and the manual's page if there is one."""
    name = op.name.replace("norm2d", "norm")
    page = PAGES.get(op.name) or FAMILY_PAGES.get(op.family)
    where = f"the docstring of torchref.nn.functional.{name}"
    return f"{MANUAL}/{page}, and {where}" if page else where
