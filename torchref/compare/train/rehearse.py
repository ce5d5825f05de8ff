"""Try one step on a few examples: find a comparison's mistakes before anything is written."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from torchref.compare.comparison import Comparison
from torchref.compare.data import Data
from torchref.compare.errors import UserError
from torchref.compare.faults import definition, message, user_line
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.twins import NumpyTwin, joinable, outputs_of, parts
from torchref.compare.remedies import remedy
from torchref.compare.train.contract import held_to_contract, unchanged_input
from torchref.compare.train.evaluate import ignored_label
from torchref.compare.train.functions import check_functions
from torchref.nn.module import Array, Module

__all__ = ["rehearse"]


def rehearse(comparison: Comparison, variant: str, data: Data, device: torch.device, sabotage: str | None) -> NumpyTwin:
    """One evaluation and one training step on a few examples, before anything is written. Returns the NumPy twin."""
    check_functions(comparison, variant)
    lockstep = Lockstep(comparison, comparison.variants[variant], device, sabotage)
    own = [name for name, _ in lockstep.torch_twin.criterion.named_parameters()]
    if own:
        raise UserError(f"loss: it learns {own[0]}, which the optimizer is not given: let the network hold it")
    size = min(comparison.batch_size, len(data.train_inputs))
    x, target = data.train_inputs[:size], data.train_targets[:size]
    where = f"variant {variant!r}, inputs of shape (N, {', '.join(map(str, x.shape[1:]))})"
    twin, torch_twin = lockstep.free_twin, lockstep.torch_twin
    with blamed("model", comparison.defining, where, twin.model), held_to_contract(twin.model):
        output = twin.predict(x[:2])
    check_outputs(comparison, output)
    check_joinable(output, x[:2], len(parts(size, comparison.accumulate)))
    check_labels(comparison, data, outputs_of(output)[0], ignored_label(twin))
    check_loss(comparison, variant, twin, output, target[:2])
    theirs = "torch_model" if comparison.torch_model else "model", comparison.defining_torch
    with blamed(*theirs, where), unchanged_input(torch_twin.model):
        _, _, tape = torch_twin.gradients(x, target)
    twin.model.skip_input_grad(False)  # so that a backward must return the gradient of the first layer's input, too
    with blamed("model", comparison.defining, where, twin.model), held_to_contract(twin.model):
        twin.gradients(x, target, tape)
    return twin


@contextmanager
def blamed(name: str, function: Callable[..., Any], where: str, model: Module | None = None) -> Iterator[None]:
    """An exception in this context as one line: the user's line, or the function at fault and the layer that raised."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        place = user_line(error) or f"{name} ({definition(function)}){failed_layer(error, model)}"
        raise UserError(f"{place}: {where}: {type(error).__name__}: {message(error)}{remedy(error)}") from error


def failed_layer(error: BaseException, model: Module | None) -> str:
    """The innermost layer of the network that an exception went through."""
    names = {id(module): name for name, module in model.named_modules() if name} if model is not None else {}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = frame.f_locals.get("self")
        if id(module) in names:
            return f", layer {names[id(module)]} ({' '.join(repr(module).split())})"
    return ""


def check_outputs(comparison: Comparison, output: Any) -> None:
    """UserError where an output of the network is no array, as an LSTM's second one, (h, c)."""
    for number, part in enumerate(outputs_of(output)):
        if not isinstance(part, np.ndarray | np.generic):
            kind = type(part).__name__
            where = definition(comparison.defining)
            if callable(part):
                raise UserError(
                    f"model ({where}): output {number} of the network is a function: a layer returns its output and "
                    "its backward, so write y, layer_backward = layer(x)"
                )
            raise UserError(
                f"model ({where}): output {number} of the network is a {kind}, and must be an array: end "
                "with a module of your own whose forward returns only what the loss takes"
            )


def check_loss(comparison: Comparison, variant: str, twin: NumpyTwin, output: Any, target: Array) -> None:
    """UserError where the loss does not take the network's outputs and the targets, or is no scalar."""
    sizes = " and ".join(str(("N", *part.shape[1:])).replace("'N'", "N") for part in outputs_of(output))
    kind = f"targets of shape {str(('N', *target.shape[1:])).replace(chr(39), '')}, {target.dtype}"
    place = f"loss ({definition(comparison.loss)})"
    try:
        loss, _ = twin.loss(output, target)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        said = f"variant {variant!r}, outputs of shape {sizes} and {kind}: {type(error).__name__}: {message(error)}"
        several = len(outputs_of(output))
        hint = remedy(error) or (outputs_and_loss(several) if several > 1 else fitting(outputs_of(output)[0], target))
        raise UserError(f"{user_line(error) or place}: {said}{hint}") from error
    if loss.ndim:
        said = f"{place} must be a scalar, and has shape {loss.shape}"
        raise UserError(f"{said}: leave reduction='none' out, if it is there")


def outputs_and_loss(several: int) -> str:
    """Advice where a loss refuses the outputs of a network that returns several."""
    return (
        f": the network returns {several} outputs, and the loss is called with all of them and the targets: "
        "return only what it takes, or write a loss of your own that takes them all"
    )


def fitting(output: Array, target: Array) -> str:
    """Advice where a loss refuses a target, and the shapes show why."""
    if target.ndim == output.ndim - 1 and target.dtype == np.int64:
        return ": these targets are labels, which a loss of classes takes, as nn.CrossEntropyLoss() does"
    if target.ndim == output.ndim - 1 and output.shape[1] == 1:
        return ": give the targets the outputs' shape, targets[:, None]"
    if target.ndim == output.ndim - 1 and (target == np.rint(target)).all():
        return ": if these targets are labels, make whole numbers of them, targets.astype(np.int64)"
    return ""


def check_joinable(output: Any, x: Array, count: int) -> None:
    """UserError where a batch is taken in several parts, whose outputs cannot be joined."""
    for number, part in enumerate(outputs_of(output)):
        if count > 1 and not joinable(part, len(x)):
            raise UserError(
                f"accumulate: output {number} of the network has shape {part.shape} for {len(x)} examples; the parts "
                "of a batch are joined along the first axis, which must count the examples"
            )


def check_labels(comparison: Comparison, data: Data, output: Array, ignored: int) -> None:
    """Integer targets beside (N, K, ...) outputs are labels: each must be one of the K classes."""
    if output.ndim < 2:
        return
    for name in ("train_targets", "validation_targets"):
        targets = getattr(data, name)
        if isinstance(targets, np.ndarray) and targets.dtype == np.int64 and targets.ndim == output.ndim - 1:
            check_classes_axis(comparison, output, targets)
            bad = np.argwhere(((targets < 0) | (targets >= output.shape[1])) & (targets != ignored))
            if len(bad):
                index = tuple(int(i) for i in bad[0])
                classes = output.shape[1]
                from_one = targets.min() == 1 and targets.max() == classes
                raise UserError(
                    f"data ({definition(comparison.data)}): {name}{list(index)} is {targets[index]}, "
                    f"but the network has {classes} outputs (labels 0 to {classes - 1})"
                    f"{': subtract 1 from the labels' if from_one else ''}"
                )


def check_classes_axis(comparison: Comparison, output: Array, targets: Array) -> None:
    """UserError where the classes lie on the last axis, (N, T, K) beside labels (N, T): losses want them on axis 1."""
    positions = targets.shape[1:]
    if positions == output.shape[1:-1] and positions != output.shape[2:]:
        axes = ", ".join(["0", str(output.ndim - 1), *map(str, range(1, output.ndim - 1))])
        shown = ", ".join(map(str, output.shape[1:]))
        where = definition(comparison.defining)
        raise UserError(
            f"model ({where}): outputs of shape (N, {shown}) have the classes on the last axis, "
            f"and a loss of classes takes them on axis 1: return y.transpose({axes}) and undo it in backward"
        )
