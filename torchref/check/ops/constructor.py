"""The options of torch's constructors that no formula has: each is refused, or a remark says that it changes nothing.

MultiheadAttention(embed_dim=6, num_heads=3, batch_first=True)     the probe has its own size; the layout is found
MaxPool2d(2, ceil_mode=True)                                       refused: only ceil_mode=False is judged
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchref.check.ops.record import Op

# torch's options, with the values under which they change nothing
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "ceil_mode": (False,), "return_indices": (False,), "divisor_override": (None,), "padding_mode": ("zeros",),
    "num_layers": (1,), "bidirectional": (False,), "proj_size": (0,), "dropout": (0, 0.0), "add_bias_kv": (False,),
    "add_zero_attn": (False,), "track_running_stats": (True,), "max_norm": (None,), "norm_type": (2, 2.0),
    "scale_grad_by_freq": (False,), "sparse": (False,), "size_average": (None,), "reduce": (None,),
}  # fmt: skip
OF_MEMORY = ("inplace", "device", "dtype")  # they change where and how an array is stored
LAYOUTS = ("batch_first",)  # the checker finds the layout of the code itself
PARAMETERS = {  # an option: the arrays that it may leave out
    "bias": ("bias", "bias_ih", "bias_hh"),
    "affine": ("weight", "bias"),
    "elementwise_affine": ("weight", "bias"),
}
OTHER_SIZES = ("embed_dim", "kdim", "vdim", "input_size", "hidden_size", "num_embeddings", "embedding_dim")


def refusal(op: Op, options: Mapping[str, Any]) -> str:
    """Why an option cannot be judged; "" if all can be."""
    for name, value in options.items():
        if name in NEUTRAL and not op.has(name) and value not in NEUTRAL[name]:
            return f"{op.name} with {name}={value!r} is not judged: the formula has {name}={NEUTRAL[name][0]!r} alone"
    return ""


def is_known(op: Op, name: str) -> bool:
    """Whether torch's constructor or function has an option of this name."""
    sizes = (*(s[0] for s in op.sizes), *OTHER_SIZES)
    return op.has(name) or name in (*sizes, *NEUTRAL, *OF_MEMORY, *LAYOUTS, *PARAMETERS)


def without_parameters(op: Op, options: Mapping[str, Any]) -> Op:
    """The operation without the arrays that bias=False or affine=False leaves out, if they are optional."""
    gone = {n for name, arrays in PARAMETERS.items() if options.get(name) is False for n in arrays}
    kept = tuple(a for a in op.arguments if a.name not in gone or not a.optional)
    return op if len(kept) == len(op.arguments) else replace(op, absent=frozenset(gone))


def remarks(op: Op, options: Mapping[str, Any], sizes: int) -> tuple[str, ...]:
    """What a user should know of the options that no formula has."""
    own = [n for n in options if n in (*(s[0] for s in op.sizes), *OTHER_SIZES) and not op.has(n)]
    found = ["the probe has sizes of its own; those that --against names change nothing"] if own or sizes else []
    found += [f"{n} changes no value" for n in options if n in OF_MEMORY]
    found += [f"{n}: the layout is read from the code" for n in options if n in LAYOUTS]
    return tuple(found)
