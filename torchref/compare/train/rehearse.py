"""One step on a few examples: what is wrong with a comparison shows before anything is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref.compare.comparison import Comparison
from torchref.compare.data import Data
from torchref.compare.errors import UserError
from torchref.compare.faults import message, user_line
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.twins import joinable, outputs_of, parts
from torchref.compare.train.evaluate import ignored_label
from torchref.compare.train.functions import check_functions
from torchref.nn.module import Array

__all__ = ["rehearse"]


def rehearse(comparison: Comparison, variant: str, data: Data, device: torch.device, sabotage: str | None) -> None:
    """One evaluation and one training step on a few examples: what is wrong shows before anything is written."""
    check_functions(comparison, variant)
    lockstep = Lockstep(comparison, comparison.variants[variant], device, sabotage)
    own = [name for name, _ in lockstep.torch_twin.criterion.named_parameters()]
    if own:
        raise UserError(f"loss: it learns {own[0]}, which the optimizer is not given: let the network hold it")
    size = min(comparison.batch_size, len(data.train_inputs))
    x, target = data.train_inputs[:size], data.train_targets[:size]
    where = f"variant {variant!r}: inputs of shape {x.shape} and targets of shape {target.shape}"
    try:
        output = lockstep.free_twin.predict(x[:2])
        check_joinable(output, x[:2], len(parts(size, comparison.accumulate)))
        check_labels(data, outputs_of(output)[0], ignored_label(lockstep.free_twin))
        loss, _ = lockstep.free_twin.loss(output, target[:2])
        if loss.ndim:
            raise UserError(f"loss must be a scalar, and has shape {loss.shape} (reduction='none'?)")
        _, _, tape = lockstep.torch_twin.gradients(x, target)
        lockstep.free_twin.gradients(x, target, tape)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        place = user_line(error)
        said = f"{type(error).__name__}: {message(error)}{f', {place}' if place else ''}"
        raise UserError(f"{where}: {said}") from error


def check_joinable(output: Any, x: Array, count: int) -> None:
    """UserError where a batch is taken in several parts, whose outputs cannot be joined."""
    for number, part in enumerate(outputs_of(output)):
        if count > 1 and not joinable(part, len(x)):
            raise UserError(
                f"accumulate: output {number} of the network has shape {part.shape} for {len(x)} examples; the parts "
                "of a batch are joined along the first axis, which must count the examples"
            )


def check_labels(data: Data, output: Array, ignored: int) -> None:
    """Integer targets beside (N, K, ...) outputs are labels: each must be one of the K classes."""
    if output.ndim < 2:
        return
    for name in ("train_targets", "validation_targets"):
        targets = getattr(data, name)
        if isinstance(targets, np.ndarray) and targets.dtype == np.int64 and targets.ndim == output.ndim - 1:
            bad = np.argwhere(((targets < 0) | (targets >= output.shape[1])) & (targets != ignored))
            if len(bad):
                index = tuple(int(i) for i in bad[0])
                raise UserError(
                    f"data: {name}{list(index)} is {targets[index]}, "
                    f"but the network has {output.shape[1]} outputs (labels 0 to {output.shape[1] - 1})"
                )
