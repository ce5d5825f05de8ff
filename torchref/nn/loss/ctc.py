"""Connectionist temporal classification: how likely a sequence of labels is, whenever each of them is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from torchref.nn.any_array import always, takes_any_array
from torchref.nn.errors import check_arrays, check_floating, check_integers
from torchref.nn.loss.reduction import Loss, check_reduction, reduce_losses
from torchref.nn.module import Array, Backward, bind

Lengths = Array | Sequence[int]


@takes_any_array(refuses_half=always)
def ctc_loss(
    x: Array,
    targets: Array,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> tuple[Array, Backward]:
    """losses_n = -log P(targets_n): P sums, over all paths that spell the target, the product of their probabilities.

    A path says one class at each time; it spells the target once repetitions are merged and then blanks removed.
    Shapes: log-probabilities x (T, N, C), or (T, C); targets (N, L), padded, or all labels in one row (sum of the
    lengths); input_lengths and target_lengths N integers (array, tuple or list; () or 1 without N); the loss () or (N).
    'mean' divides each loss by its target length (at least 1), then averages over N. A target too long for its input
    costs infinity, or 0 with zero_infinity.

    Forward. Let l be the target with a blank before, between and after its labels: S = 2 L + 1 states, and y_t(s) the
    log-probability at time t of the class l_s. A path stays in its state, or goes on by one, or by two if that skips a
    blank between two different labels. alpha_t(s), the log of the sum over all paths that are in s at time t, of the
    product of the probabilities up to and including t, obeys
        alpha_t(s) = y_t(s) + log(exp alpha_(t-1)(s) + exp alpha_(t-1)(s-1) + [l_s != l_(s-2)] exp alpha_(t-1)(s-2))
    from alpha_0(0) = y_0(0), alpha_0(1) = y_0(1); a path ends in the last label or the blank after it:
        log P = log(exp alpha_(T-1)(S-1) + exp alpha_(T-1)(S-2)).

    Backward. beta_t(s), the same for what comes after t, from 0 in the two last states at T - 1:
        beta_t(s)  = log(sum over the states s' that s can go to, of exp(y_(t+1)(s') + beta_(t+1)(s')))
        gamma_t(s) = exp(alpha_t(s) + beta_t(s) - log P)       the probability of being in s at t, given the target
        dL/dx_tc   = -dloss sum_s gamma_t(s) [l_s = c]         since log P is linear in each exp(x_tc) that it uses
    torch returns exp(x_tc) - sum_s gamma_t(s) [l_s = c] instead, already sent through a log_softmax in front: its
    backward, g -> g - exp(x) sum_c g, makes the same of both, as sum_c sum_s gamma_t(s) [l_s = c] = 1. So does this
    function: only in front of a `log_softmax` is it the gradient. An infinite loss gives nan, but 0 with zero_infinity.
    `backward()` returns that, and None for targets and lengths.

    Errors: RuntimeError for shapes, lengths or a blank that do not fit, IndexError for a label out of range.
    Equals `torch.nn.functional.ctc_loss` (which returns nan where x_tc of a needed label is -inf; here 0, the limit).
    Graves, Fernandez, Gomez & Schmidhuber 2006.
    """
    reduction = check_reduction("ctc_loss", reduction)
    check_ctc(x, targets, blank)
    log_probs = x if x.ndim == 3 else x[:, None]  # (T, N, C)
    times, batch, classes = log_probs.shape
    input_length = as_lengths("input_lengths", input_lengths, batch, times)  # (N,)
    longest = targets.shape[1] if targets.ndim == 2 else len(targets)
    target_length = as_lengths("target_lengths", target_lengths, batch, longest)  # (N,)
    states = spell(targets, target_length, blank, classes)  # (N, S)
    n = np.arange(batch)

    minus_inf = np.full_like(log_probs, -np.inf, shape=(times, batch, states.shape[1] + 2), order="C")
    y = log_probs[:, n[:, None], states]  # (T, N, S)
    skip = np.full_like(y[0], -np.inf)  # (N, S): log of whether s can be reached from s - 2
    skip[:, 2:][states[:, 2:] != states[:, :-2]] = 0
    position = np.arange(states.shape[1]) - 2 * target_length[:, None]  # (N, S): counted from the last blank
    final = np.where((position == 0) | (position == -1), y.dtype.type(0), -y.dtype.type(np.inf))  # (N, S)

    alpha = minus_inf.copy()  # (T, N, 2 + S): two states before the first, which no path is in
    alpha[0, :, 2:4] = y[0, :, :2]
    for t in range(1, times):
        stay, one, two = alpha[t - 1, :, 2:], alpha[t - 1, :, 1:-1], alpha[t - 1, :, :-2]
        alpha[t, :, 2:] = y[t] + np.logaddexp(np.logaddexp(stay, one), two + skip)
    alpha = alpha[:, :, 2:]  # (T, N, S)
    log_p = np.logaddexp.reduce(alpha[input_length - 1, n] + final, axis=1)  # (N,)
    log_p[input_length == 0] = np.where(target_length == 0, 0, -np.inf)[input_length == 0]  # nothing says nothing

    infinite = np.isinf(log_p)
    losses = np.where(infinite & zero_infinity, 0, -log_p)  # (N,)
    per_label = 1 / np.maximum(target_length, 1).astype(y.dtype) if reduction == "mean" else np.ones_like(log_p)
    loss, reduction_backward = reduce_losses((losses * per_label).reshape(x.shape[1:-1]), reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, None, None, None]:
        beta = minus_inf.copy()  # (T, N, S + 2): two states after the last
        beta[input_length - 1, n, :-2] = final
        for t in reversed(range(times - 1)):
            after = beta[t + 1].copy()
            after[:, :-2] += y[t + 1]
            after_skip = after[:, 2:].copy()
            after_skip[:, :-2] += skip[:, 2:]
            going_on = np.logaddexp(np.logaddexp(after[:, :-2], after[:, 1:-1]), after_skip)
            beta[t, :, :-2] = np.where((t < input_length - 1)[:, None], going_on, beta[t, :, :-2])
        with np.errstate(invalid="ignore"):  # -inf + inf
            gamma = np.exp(alpha + beta[:, :, :-2] - log_p[:, None])  # (T, N, S)
        says = (states[:, :, None] == np.arange(classes)).astype(y.dtype)  # (N, S, C)
        occupied = np.moveaxis(np.moveaxis(gamma, 1, 0) @ says, 0, 1)  # (T, N, C): sum over the states of a class
        occupied[:, infinite] = 0 if zero_infinity else np.nan
        dlosses = (reduction_backward(dloss).reshape(-1) * per_label)[:, None]  # (N, 1)
        heard = (np.arange(times)[:, None] < input_length) & ~(infinite & zero_infinity)  # (T, N)
        dx = np.where(heard[:, :, None], dlosses * (np.exp(log_probs) - occupied), 0)
        return dx.reshape(x.shape), None, None, None

    return loss, backward


class CTCLoss(Loss):
    """`ctc_loss` as a module. Equals `torch.nn.CTCLoss`."""

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Array, targets: Array, input_lengths: Lengths, target_lengths: Lengths
    ) -> tuple[Array, Backward]:
        return bind(
            ctc_loss,
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            reduction=self.reduction,
            zero_infinity=self.zero_infinity,
        )


def spell(targets: Array, target_length: Array, blank: int, classes: int) -> Array:
    """The states of each target, (N, S): blank, label, blank, ..., label, blank, and more blanks up to the longest."""
    batch, longest = len(target_length), max(target_length)
    counted = np.arange(longest) < target_length[:, None]  # (N, L)
    if targets.ndim == 1:
        labels = targets
        if len(labels) != target_length.sum():
            raise RuntimeError(f"ctc_loss(): targets has {len(labels)} labels, target_lengths {target_length.sum()}")
    else:
        if len(targets) != batch:
            raise RuntimeError(f"ctc_loss(): targets of shape {targets.shape} do not fit a batch of {batch}")
        labels = targets[:, :longest][counted]
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise IndexError(f"ctc_loss(): target {wrong[0]} is out of bounds for {classes} classes")
    padded = np.full((batch, longest), blank)
    padded[counted] = labels
    states = np.full((batch, 2 * longest + 1), blank)
    states[:, 1::2] = padded
    return states


def as_lengths(name: str, lengths: Lengths, batch: int, longest: int) -> Array:
    """The lengths as an array (N,), each between 0 and `longest`."""
    array = np.asarray(lengths).reshape(-1)
    if array.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss(): {name} must be integral, but got {array.dtype}")
    if len(array) != batch:
        raise RuntimeError(f"ctc_loss(): {name} must be of size batch_size {batch}, but has {len(array)}")
    wrong = array[(array < 0) | (array > longest)]
    if wrong.size:
        raise RuntimeError(f"ctc_loss(): expected {name} to have values between 0 and {longest}, but got {wrong[0]}")
    return array.astype(np.int64)


def check_ctc(x: Array, targets: Array, blank: int) -> None:
    """Dtypes, dimensions and the blank's type, with torch's exception types."""
    check_floating("ctc_loss", log_probs=x)
    check_arrays("ctc_loss", targets=targets)
    check_integers("ctc_loss", blank=blank)
    if x.ndim not in (2, 3) or x.size == 0:
        raise RuntimeError(f"ctc_loss(): log_probs must be (T, N, C) or (T, C) and not empty, but has shape {x.shape}")
    if targets.ndim not in (1, 2) or targets.dtype.kind not in "iu":
        raise RuntimeError(
            f"ctc_loss(): targets must be integers of 1 or 2 dimensions, but got {targets.dtype} {targets.shape}"
        )
    if not 0 <= blank < x.shape[-1]:
        raise RuntimeError(f"ctc_loss(): blank must be in label range 0..{x.shape[-1] - 1}, but got blank={blank}")
