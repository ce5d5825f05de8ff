"""What the catalogue of `torchref check` calls an operation of ATen, and its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchref.check.ops.find import UnknownOp, find
from torchref.check.ops.record import Op
from torchref.nn.module import Array
from torchref.referee.recording import Node
from torchref.referee.storage import Ref
from torchref.referee.tape import resolved

__all__ = ["Reading", "read_as_in_the_catalogue"]

# ATen's name: the catalogue's, and what its arguments are called there, in ATen's order. The formula has none that is
# called "-", which must be absent or at its default, or "?"; ".T" is handed over transposed.
NAMES = {
    "relu": "relu input",
    "elu": "elu input alpha - -",
    "leaky_relu": "leaky_relu input negative_slope",
    "gelu": "gelu input approximate",
    "silu": "silu input",
    "mish": "mish input",
    "softplus": "softplus input beta threshold",
    "sigmoid": "sigmoid input",
    "tanh": "tanh input",
    "exp": "exp input",
    "hardtanh": "hardtanh input min_val max_val",
    "hardsigmoid": "hardsigmoid input",
    "hardswish": "hardswish input",
    "log_sigmoid_forward": "logsigmoid input",
    "hardshrink": "hardshrink input lambd",
    "softshrink": "softshrink input lambd",
    "threshold": "threshold input threshold value",
    "glu": "glu input dim",
    "_softmax": "softmax input dim ?",
    "_log_softmax": "log_softmax input dim ?",
    "native_layer_norm": "layer_norm input normalized_shape weight bias eps",
    "native_group_norm": "group_norm input weight bias ? ? ? num_groups eps",
    "native_batch_norm": "batch_norm{images} input weight bias running_mean running_var training momentum eps",
    "cudnn_batch_norm": "batch_norm{images} input weight bias running_mean running_var training momentum eps",
    "_fused_rms_norm": "rms_norm input normalized_shape weight eps",
    "addmm": "linear bias input weight.T - -",
    "mm": "linear input weight.T",
    "convolution": "conv{transpose}{n}d input weight bias stride padding dilation ? output_padding groups",
    "max_pool2d_with_indices": "max_pool2d input kernel_size stride padding - -",
    "max_pool3d_with_indices": "max_pool3d input kernel_size stride padding - -",
    "avg_pool2d": "avg_pool2d input kernel_size stride padding - - -",
    "avg_pool3d": "avg_pool3d input kernel_size stride padding - - -",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d input output_size",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d input output_size",
    "adaptive_max_pool2d": "adaptive_max_pool2d input output_size",
    "adaptive_max_pool3d": "adaptive_max_pool3d input output_size",
    "mse_loss": "mse_loss input target reduction",
    "smooth_l1_loss": "smooth_l1_loss input target reduction beta",
    "huber_loss": "huber_loss input target reduction delta",
    "soft_margin_loss": "soft_margin_loss input target reduction",
    "binary_cross_entropy": "binary_cross_entropy input target - reduction",
    "binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits input target - pos_weight reduction",
    "nll_loss_forward": "nll_loss input target weight reduction ignore_index",
    "multi_margin_loss": "multi_margin_loss input target p margin - reduction",
    "embedding": "embedding weight input padding_idx - -",
    "native_dropout": "dropout input p training",
    "im2col": "unfold input kernel_size dilation padding stride",
    "col2im": "fold input output_size kernel_size dilation padding stride",
    "_scaled_dot_product_flash_attention_for_cpu": (
        "scaled_dot_product_attention query key value - is_causal attn_mask scale"
    ),
}
REDUCTIONS = ("none", "mean", "sum")  # ATen's numbers
ALONG_AXES = ("kernel_size", "stride", "padding", "dilation", "output_padding")  # one number, where all are equal
IMAGES = {2: "", 4: "2d"}  # what batch norm is called by the number of its input's axes


class Reading:
    """An operation of the run as the catalogue reads it: the record, its values, and the names of its gradients.

    `gradients[i]` is the name of the gradient of the i-th array among the operation's arguments, with ".T" behind it
    where that array is handed over transposed; it is empty where the catalogue knows none.
    """

    def __init__(self, node: Node, op: Op, values: dict[str, Any], gradients: list[str]) -> None:
        self.op = op
        self.values = values
        self.gradients = gradients
        self.sizes = [ref.size for ref in node.inputs]

    def of_argument(self, i: int, found: dict[str, Array]) -> Array | None:
        """The gradient of the i-th array, from those under the catalogue's names."""
        name = self.gradients[i] if i < len(self.gradients) else ""
        gradient = found.get(name.removesuffix(".T"))
        return gradient.T if gradient is not None and name.endswith(".T") else gradient

    def in_the_catalogue(self, i: int, gradient: Array) -> tuple[str, Array]:
        """The name there of the i-th array's gradient, and the gradient as it is there."""
        name = self.gradients[i] if i < len(self.gradients) else ""
        return name.removesuffix(".T"), gradient.T if name.endswith(".T") else gradient


def read_as_in_the_catalogue(node: Node, value: Callable[[Ref], Array]) -> Reading | None:
    """The node as the catalogue reads it, on these values of its arguments; None where it knows no such operation."""
    is_complex = any(ref.complex for ref in (*node.inputs, *node.outputs))  # the formulas are of real numbers
    if node.name not in NAMES or node.place.function is not None or is_complex:
        return None
    called, *names = NAMES[node.name].split()
    values: dict[str, Any] = {}
    gradients: list[str] = []
    given = arguments(node)
    for (argument, default), name in zip(given, names, strict=False):
        seen = resolved(argument, value)
        gradients += [name.strip("-?")] * (isinstance(argument, Ref))
        if name == "-" and argument != default:
            return None  # an option that the formula has not
        if name[0] not in "-?":
            values[name.removesuffix(".T")] = seen.T if name.endswith(".T") else seen
    try:
        op = find(called.format(**shapes(node, [argument for argument, _ in given], values)))
    except (UnknownOp, KeyError):
        return None
    values = {a.name: in_words(a.name, values.get(a.name, a.default)) for a in op.arguments}
    if op.draws:  # the mask is what the operation has returned beside its output
        values["mask"] = node.outputs[1].given()
    return Reading(node, op, values, gradients)


def arguments(node: Node) -> list[tuple[Any, Any]]:
    """Each argument of the node with its default, in ATen's order."""
    every = node.func._schema.arguments
    return [
        (node.args[i] if i < len(node.args) else node.kwargs.get(a.name, a.default_value), a.default_value)
        for i, a in enumerate(every)
    ]


def shapes(node: Node, given: list[Any], values: dict[str, Any]) -> dict[str, str]:
    """What a name in the catalogue depends on."""
    found = {"images": IMAGES[values["input"].ndim]} if "batch_norm" in node.name else {}
    if node.name == "convolution":
        transposed = bool(given[6])
        found = {"n": str(len(given[3])), "transpose": "_transpose" if transposed else ""}
    return found


def in_words(name: str, value: Any) -> Any:
    """An option as torch.nn.functional takes it."""
    if name == "reduction" and isinstance(value, int):
        return REDUCTIONS[value]
    if name == "padding_idx" and value == -1:
        return None
    if name == "stride" and isinstance(value, list) and not value:
        return None
    if name in ALONG_AXES and isinstance(value, list) and len(set(value)) == 1:
        return value[0]
    return tuple(value) if isinstance(value, list) else value
