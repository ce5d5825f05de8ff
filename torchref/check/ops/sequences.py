"""Losses of sequences: connectionist temporal classification."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.losses import REDUCED, REDUCTION
from torchref.check.ops.mistake import Values
from torchref.check.ops.record import Arrays, Options, Patch, array, data, option
from torchref.check.textbook import sequences as textbook


def _make_speech(rng: Generator, o: Options, variant: str) -> Arrays:
    """Log probabilities; a target with a repeated label, one that is shorter, one with fewer frames."""
    x = rng.normal(size=(8, 3, 5)) * 1.5
    x = x - np.log(np.exp(x).sum(2, keepdims=True))
    labels = np.array([k for k in range(5) if k != o["blank"]])
    t = labels[rng.integers(0, 4, (3, 3))]
    t[0], t[1] = labels[[1, 1, 2]], labels[[3, 0, 3]]
    frames, lengths = np.array([8, 7, 6]), np.array([3, 3, 2])
    if o["zero_infinity"]:
        frames[0] = 3  # too few for three labels of which two are the same
    if variant == "one sequence":
        return {"input": x[:, 0], "target": t[0], "input_lengths": np.array(8), "target_lengths": np.array(3)}
    return {"input": x, "target": t, "input_lengths": frames, "target_lengths": lengths}


ONLY = "occupied[:, np.arange(n)[:, None], states] = gamma"
CTC = (
    Patch(
        "dscores =",
        "dscores = -occupied * heard[..., None] * drows[:, None]",
        slugs.LOCAL,
        "The softmax term is missing: this is the gradient of the log probabilities, not of what log_softmax was given.",
        convention="the gradient is that of the log probabilities, each by itself; torch returns p - occupied, as if log_softmax stood before.",
    ),
    Patch("dscores =", "dscores = (occupied - np.exp(log_p)) * heard[..., None] * drows[:, None]", slugs.SIGN, "It is p - occupied: the loss falls as the labels get likelier."),
    Patch("dscores =", "dscores = (np.exp(log_p) - occupied) * drows[:, None]", slugs.MASK, "Frames beyond the input's length get no gradient."),
    Patch("gamma =", "gamma = np.exp(alpha + beta)", slugs.SCALE, "The division by the target's whole probability is missing."),
    Patch("gamma =", "gamma = np.exp(alpha + beta + y - total[:, None])", slugs.LOCAL, "alpha holds y_t; where beta holds it too, it must be divided out once."),
    Patch("occupied =", f"occupied = np.zeros_like(log_p); {ONLY}", slugs.OVERWRITTEN, "A label, and the blank, stands in several states: their probabilities add up."),
    Patch("jumps =", "jumps = (at % 2 == 1) & (at > 1) & (states == states)", slugs.FORWARD, "Between two equal labels there must be a blank: no path jumps over it."),
    Patch("jumps =", "jumps = (at < 0) & (states == states)", slugs.FORWARD, "A path may jump over the blank between two labels that differ."),
    Patch("ends =", "ends = at == 2 * lengths[:, None]", slugs.FORWARD, "A path may end in the last label, too, not in the last blank alone."),
    Patch("share =", "share = np.full(n, n)", slugs.DIVISOR, "The mean divides each loss by its target's length, too."),
    Patch("share =", "share = np.maximum(lengths, 1)", slugs.DIVISOR, "The mean divides by the batch, too."),
)  # fmt: skip


def _in_torch(torch: ModuleType, v: Values) -> Any:
    """torch always takes the lengths."""
    times, batch = v.input.shape[0], v.target.shape[:-1]
    frames = torch.full(batch, times) if v.input_lengths is None else v.input_lengths
    lengths = torch.full(batch, v.target.shape[-1]) if v.target_lengths is None else v.target_lengths
    options = (v.blank, v.reduction, v.zero_infinity)
    return torch.nn.functional.ctc_loss(v.input, v.target, frames, lengths, *options)


OPERATIONS = (
    from_textbook(
        "ctc_loss",
        ("CTCLoss", "ctc"),
        (
            array("input", axes="T N C | T C"),
            data("target"),
            data("input_lengths", "input_length", "in_lens", "frame_lengths", "xlens", optional=True),
            data("target_lengths", "target_length", "label_lengths", "tgt_lens", "ylens", optional=True),
            option("blank", 0, 2, "blank_id", "blank_idx"),
            REDUCTION,
            option("zero_infinity", False, vary=(True,)),
        ),
        textbook.ctc_loss,
        CTC,
        {**REDUCED, "axis": "", "comparison": "", "branch": ""},
        make=_make_speech,
        loss=True,
        family="loss",
        derivation="ctc.md",
        variants=("rich", "one sequence"),
        in_torch=_in_torch,
    ),
)
