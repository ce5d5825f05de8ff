"""Adaptive softmax: cross-entropy over very many classes, of which the rare ones share one entry of a small softmax."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.any_array import takes_any_array
from torchref.nn.container import ModuleList, Sequential
from torchref.nn.errors import check_arrays, check_floating, check_numbers
from torchref.nn.functional import cross_entropy, log_softmax
from torchref.nn.linear import Linear
from torchref.nn.loss.reduction import reduce_losses
from torchref.nn.module import Array, Backward, Module


class ASMOutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` returns, and what its backward takes (None: no gradient)."""

    output: Array | None
    loss: Array | None


class AdaptiveLogSoftmaxWithLoss(Module):
    """output_n = log P(target_n | x_n), loss = -mean(output), for K classes sorted from frequent to rare.

    The first cutoffs[0] classes, the shortlist, have logits of their own in the head; each further cluster of classes,
    cutoffs[i] up to cutoffs[i+1], has one entry in the head, and a softmax of its own, its tail, on a projection of x
    to in_features / div_value^(i+1) features:
        P(k | x) = softmax(head(x))_k                                  for k in the shortlist
        P(k | x) = softmax(head(x))_(cluster) softmax(tail(x))_k       else
    Only the tails of clusters that occur among the targets are computed, on the rows where they do.
    Shapes: x (N, in), target (N) of integers, output (N); or (in), (), (); loss ().

    Backward. -output_n is the cross-entropy of the head, plus in a cluster's rows that of its tail; so -doutput_n and
    dloss / N go through both, and dx_n adds up what comes back. `backward((doutput, dloss))` returns dx; `backward()`
    is that of the loss.

    Errors: ValueError for cutoffs that are not increasing integers between 1 and K - 1; RuntimeError for shapes, or a
    target out of range. Equals `torch.nn.AdaptiveLogSoftmaxWithLoss`. Grave, Joulin, Cisse, Grangier & Jegou 2017.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        cutoffs = list(cutoffs)
        check_numbers("AdaptiveLogSoftmaxWithLoss", **{f"cutoffs[{i}]": c for i, c in enumerate(cutoffs)})
        if (
            not cutoffs
            or any(not float(c).is_integer() for c in cutoffs)
            or any(low >= high for low, high in pairwise([0, *cutoffs, n_classes]))
        ):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of unique, positive integers sorted in an "
                f"increasing order, each between 1 and n_classes - 1 = {n_classes - 1}, but got {cutoffs}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(self.clusters()):
            hidden = int(in_features // (div_value ** (i + 1)))
            projection = Linear(in_features, hidden, False, device, dtype)
            self.tail.append(Sequential(projection, Linear(hidden, high - low, False, device, dtype)))

    def clusters(self) -> list[tuple[int, int]]:
        """The classes low <= k < high of each cluster behind the shortlist."""
        return list(pairwise(self.cutoffs))

    def reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_: Array, target_: Array) -> tuple[ASMOutput, Backward]:
        self.check_input(input_, target_)
        x = input_.reshape(-1, self.in_features)  # (N, in)
        target = target_.reshape(-1)  # (N,)

        entry = target  # of the head: the class itself in the shortlist, else its cluster
        tails = []
        losses = np.zeros_like(x, shape=len(x), order="C")  # (N,): -output
        for i, (low, high) in enumerate(self.clusters()):
            rows = np.flatnonzero((low <= target) & (target < high))
            if rows.size:
                entry = np.where((low <= target) & (target < high), self.shortlist_size + i, entry)
                logits, logits_backward = self.tail[i](x[rows])
                losses[rows], losses_backward = cross_entropy(logits, target[rows] - low, reduction="none")
                tails.append((rows, logits_backward, losses_backward))
        head_logits, head_logits_backward = self.head(x)
        head_losses, head_losses_backward = cross_entropy(head_logits, entry, reduction="none")
        losses = losses + head_losses
        loss, reduction_backward = takes_any_array(reduce_losses)(losses, "mean")

        def backward(doutput_and_dloss: tuple[Array | None, Array | None] = (None, None)) -> Array:
            doutput, dloss = doutput_and_dloss
            dlosses = np.zeros_like(losses)  # (N,)
            if dloss is not None or doutput is None:
                dlosses = dlosses + reduction_backward(dloss)
            if doutput is not None:
                dlosses = dlosses - doutput.reshape(-1)
            dhead_logits, _ = head_losses_backward(dlosses)
            dx = head_logits_backward(dhead_logits).copy()  # (N, in)
            for rows, logits_backward, losses_backward in tails:
                dlogits, _ = losses_backward(dlosses[rows])
                dx[rows] += logits_backward(dlogits)
            return dx.reshape(input_.shape)

        return ASMOutput((-losses).reshape(target_.shape), loss), backward

    def log_prob(self, input: Array) -> tuple[Array, Backward]:
        """The log-probabilities of all classes, (N, K), for input (N, in), and their backward."""
        check_arrays("AdaptiveLogSoftmaxWithLoss.log_prob", input=input)
        if input.ndim != 2:
            raise RuntimeError(f"AdaptiveLogSoftmaxWithLoss.log_prob: expected input (N, in), but got {input.shape}")
        head_logits, head_logits_backward = self.head(input)
        head, head_backward = log_softmax(head_logits, dim=1)  # (N, shortlist + clusters)
        parts, tails = [head[:, : self.shortlist_size]], []
        for i in range(self.n_clusters):
            logits, logits_backward = self.tail[i](input)
            tail, tail_backward = log_softmax(logits, dim=1)  # (N, high - low)
            parts.append(tail + head[:, self.shortlist_size + i, None])
            tails.append((logits_backward, tail_backward))

        def backward(dlog_p: Array) -> Array:
            dparts = np.split(dlog_p, self.cutoffs[:-1], axis=1)
            dclusters = [dpart.sum(axis=1, keepdims=True) for dpart in dparts[1:]]
            dinput = head_logits_backward(head_backward(np.concatenate([dparts[0], *dclusters], axis=1)))
            for (logits_backward, tail_backward), dpart in zip(tails, dparts[1:], strict=True):
                dinput = dinput + logits_backward(tail_backward(dpart))
            return dinput

        return np.concatenate(parts, axis=1), backward

    def predict(self, input: Array, target: Array | None = None) -> Any:
        """The most probable class of each row, (N), as torch's `predict` has it; with a target as `Module.predict`."""
        if target is not None:
            return super().predict(input, target)
        log_p, _ = self.log_prob(input)
        return log_p.argmax(axis=1)

    def check_input(self, x: Array, target: Array) -> None:
        name = "AdaptiveLogSoftmaxWithLoss"
        check_floating(name, input=x, weight=self.head.weight.data)
        check_arrays(name, target=target)
        if target.ndim > 1 or x.ndim != target.ndim + 1 or x.shape[:-1] != target.shape:
            raise RuntimeError(
                f"{name}: expected input (N, in) and target (N), or (in) and (), got {x.shape} and {target.shape}"
            )
        if x.shape[-1] != self.in_features:
            raise RuntimeError(f"{name}: expected an input with {self.in_features} features, but got {x.shape}")
        if target.dtype != np.int64:
            raise RuntimeError(f"{name}: expected a target of dtype int64, but got {target.dtype}")
        wrong = target[(target < 0) | (target >= self.n_classes)]
        if wrong.size:
            raise RuntimeError(f"{name}: target should be in [0, {self.n_classes - 1}], but {wrong[0]} was found")
