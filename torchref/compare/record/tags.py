"""What each tag shows: the text that TensorBoard puts on its card."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["ABOUT", "AGREEMENT", "FIGURES", "THIS_RUN", "describe"]

ABOUT = "about"  # the folder beside the variants' that holds the run's page
AGREEMENT = "NumPy on torch/loss of each step"  # the first picture
FIGURES = "figures/"  # a lesson's pictures of the figures of all its trainings
THIS_RUN = "this run"  # in FOLDER/about: the page

ENGINES = "The run names the engine: NumPy or torch; two equal curves lie on each other."
LOG10 = "log10: -16 is a rounding error of float64, -20 stands for equal to the last bit."
WATCHED = "Measured at the watched steps, on the step's batch."

# A regular expression for the whole tag -> what it is, and what to expect. The first that fits counts.
DESCRIPTIONS = {
    # curves of a training
    r"loss/step": f"The loss of each step's batch, in training mode (dropout on). It falls, and is rough. {ENGINES}",
    r"loss/training": "The loss on the training examples (the first 2,000), in evaluation mode, after each epoch. "
    f"It falls. {ENGINES}",
    r"loss/validation": "The loss on examples held out of the training, after each epoch. Where it rises while "
    f"loss/training falls, the network overfits. {ENGINES}",
    r"accuracy/training": f"The share of training examples that are classified rightly, from 0 to 1. {ENGINES}",
    r"accuracy/validation": f"The share of held-out examples that are classified rightly, from 0 to 1. {ENGINES}",
    r"learning rate(/group \d+)?": "The learning rate of a group of parameters; a line where there is no schedule.",
    # how equal the twins are
    r"difference/output \(log10\)": f"The largest difference of the networks' outputs in the last 10 steps. {LOG10}",
    r"difference/loss \(log10\)": f"The largest difference of the losses in the last 10 steps. {LOG10}",
    r"difference/gradient \(log10\)": "The largest difference of an entry of a gradient, NumPy - torch, in the last "
    f"10 steps. {LOG10} Every entry has a bound of its own; the run ends at the first that exceeds it.",
    r"difference/buffer \(log10\)": f"The largest difference of the running statistics in the last 10 steps. {LOG10}",
    r"difference/update \(log10\)": "The largest difference of a weight after the optimizer's step, in the last 10 "
    f"steps. {LOG10}",
    r"difference/.* loss \(log10\)": f"How far NumPy's curve is from torch's at this step. {LOG10}",
    r"free running/loss \(log10\)": f"The loss of the twin that is never put back on torch's weights, minus torch's. "
    f"Rounding adds up, so it grows slowly. {LOG10}",
    r"free running/weights \(log10\)": "The distance of the weights of the twin that is never put back from torch's, "
    f"relative to their size. Rounding adds up, so it grows slowly. {LOG10}",
    # layers
    r"all layers/gradient/norm": "The Euclidean norm of all gradients together. Towards a minimum it falls; where it "
    f"leaps, the rate is too high. {WATCHED}",
    r".*/gradient of .*/norm": "The Euclidean norm of this parameter's gradient. Far smaller near the "
    f"data than near the output: the gradient vanishes; far larger: it explodes. {WATCHED}",
    r".*/mean": f"The mean of the entries, over batch and units. {WATCHED}",
    r".*/spread": f"The standard deviation, over batch and units. Near 0 the signal dies out. {WATCHED}",
    r".*/share of zeros": "The share of entries that are exactly 0. About half behind a ReLU at the start; near 1 the "
    f"units are dead. {WATCHED}",
    r".*/share kept": "The share of the nonzero units that dropout let through in this step: it wavers about 1 - p. "
    "NumPy and torch drop the same ones.",
    r".*/batch mean": f"The mean of the batch in front of batch norm, averaged over the channels. {WATCHED}",
    r".*/batch variance": f"The variance of the batch in front of batch norm, averaged over the channels. {WATCHED}",
    r".*/running mean": f"The mean that evaluation uses, over the channels: it follows the batches'. {WATCHED}",
    r".*/running variance": "The variance that evaluation uses, averaged over the channels: it follows the batches'. "
    f"{WATCHED}",
    r".*/size of the input": "The root mean square of what batch norm normalises.",
    r".*/running mean - batch mean, in spreads": "How far the mean that evaluation uses is from this batch's: a root "
    "mean square over the channels, in standard deviations. It falls as the running mean catches up.",
    r".*/log of running / batch variance": "How far the variance that evaluation uses is from this batch's, as a root "
    "mean square over the channels of the logarithm. 0: evaluation equals training.",
    # distributions
    r".*/gradient of .*/entries": "The distribution of the gradient's entries, a slice for each moment.",
    r".*/entries": "The distribution of the entries, a slice for each moment: the value to the right, older slices "
    "behind.",
    # pictures
    r"NumPy on torch/.*": "Both curves in one picture: torch's thick and pale, NumPy's thin on top of it, with "
    "dots. Beside the legend stands how far they are apart at most.",
    r"figures/.*": "A figure of every training: a place on the axis for each setting, a dot for each seed, a bar at "
    "their mean. The lesson's findings are about these dots.",
    r".*/masks": "What dropout did to the step's batch in both twins, and where they differ: nowhere, as torch is "
    "handed NumPy's draws. Blue: kept; orange: dropped; grey: it was 0 before; red: differs. An "
    "example each row, the first on top, a unit each column.",
    r".*/in front and behind": "The batch in front of batch norm and behind it: mean and spread of each channel. "
    "Behind it they are those of batch norm's own weight and bias: at the start 0 and 1.",
    r".*/running and batch statistics": "Mean and variance of each channel: the batch's (across), and the running "
    "ones that evaluation uses (up). On the line both are equal.",
    r"all layers/gradient by depth": "The norm of each weight's gradient, from the data (left) to the output (right), "
    "on a logarithmic axis; a line for each moment. Read it from right to left, as the "
    "gradient goes: where a line falls to the left, it vanishes.",
    r"examples/named wrong": "Held-out examples that the network names wrong, the surest first: its answer, the "
    "probability that it gives, and what it is.",
    r"examples/decisions": "The class that the network names at each point (areas), and the training examples (dots).",
    r"first layer/weights as images": "The weights of the first layer's neurons, or filters, one image each: orange is "
    "below 0, white 0, blue above.",
    # texts
    r"about this (run|lesson)": "Read this first: what was trained, what to look at, and the result.",
    r"notes": "What could not be recorded as asked, and why.",
}


def describe(tag: str, own: Mapping[str, str]) -> str:
    """What a tag shows, by a lesson's `own` descriptions or the table's; empty where neither knows it."""
    if tag in own:
        return own[tag]
    return next((text for pattern, text in DESCRIPTIONS.items() if re.fullmatch(pattern, tag)), "")
