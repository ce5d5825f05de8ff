"""Where the derivation of an operation stands."""

from __future__ import annotations

from torchref.check.ops import Op

MANUAL = "manual/derivations"
PAGES = {
    "linear": "linear.md",
    "softmin": "softmax.md",
    "softmax": "softmax.md",
    "log_softmax": "softmax.md",
    "embedding": "embedding.md",
    "scaled_dot_product_attention": "attention.md",
}
FAMILY_PAGES = {
    "linear": "linear.md",
    "softmin": "softmax.md",
    "conv": "convolution.md",
    "pool": "pooling.md",
    "recurrent": "rnn-lstm.md",
    "elementwise": "activations.md",
}
# derived with the module, not with a function of its own
MODULES = ("upsample", "rnn", "rnn_cell", "lstm", "lstm_cell", "gru", "gru_cell", "multi_head_attention")


def derivation(op: Op) -> str:
    """Where the derivation stands: the docstring, and the manual's page if there is one."""
    name = op.name.replace("norm2d", "norm")
    page = op.derivation or PAGES.get(op.name) or FAMILY_PAGES.get(op.family)
    if op.name == "exp":
        return f"{MANUAL}/{page}"
    where = f"the docstring of torchref.nn.{op.modules[0] if op.name in MODULES else f'functional.{name}'}"
    return f"{MANUAL}/{page}, and {where}" if page else where
