"""The page "about this run": what is trained, what to look at, the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import shown
from torchref.compare.data import Data
from torchref.compare.lockstep.twins import NumpyTwin
from torchref.compare.record.tags import AGREEMENT
from torchref.compare.train.report import Report, VariantReport

__all__ = ["about", "in_a_line", "listed", "page", "result_of"]


def about(comparison: Comparison, data: Data, twins: Mapping[str, NumpyTwin]) -> str:
    """What can be said of a run before it has a result, as Markdown."""
    shapes = f"{len(data.train_inputs):,} examples to train on, {len(data.validation_inputs):,} held out"
    example = " x ".join(map(str, data.train_inputs.shape[1:]))
    first = next(iter(twins.values()))
    lines = [
        "## What to look at",
        "",
        *listed(look_at(twins)),
        "",
        "NumPy and torch have the same curves: where they lie on each other, one is seen. The runs `difference` show "
        "how equal they are.",
        "",
        "## What is trained",
        "",
        f"- data: {shapes}; one is {example or 'a number'}",
        f"- {comparison.epochs} epochs in batches of {comparison.batch_size}",
        f"- {comparison.dtype}, seed {comparison.seed}",
        f"- loss: `{shown(first.criterion)}`",
        f"- optimizer: `{in_a_line(first.optimizer)}`",
        "",
    ]
    for variant, twin in twins.items():
        lines += [f"### {variant}", "", "```", shown(twin.model), "```", ""]
    return "\n".join(lines)


def page(comparison: Comparison, result: Sequence[str], body: str) -> str:
    """The page, as Markdown: what is claimed, the lines of the result, and what `about` says."""
    return "\n".join([f"# {comparison.name}", "", comparison.claim, "", *result, "", body])


def result_of(report: Report) -> list[str]:
    """The lines of the page that say how a run has ended."""
    whose = "Losses and accuracies are those of the NumPy twin."
    return [f"**Result: {report.verdict}.**", "", *table(report.variants), "", whose]


def table(variants: Sequence[VariantReport]) -> list[str]:
    """A row for each variant, few columns, so that it fits."""
    rows = [
        "| variant | held-out loss | accuracy | largest difference of a gradient | result |",
        "|---|--:|--:|--:|---|",
    ]
    for each in variants:
        loss = "-" if each.validation_loss_numpy is None else f"{each.validation_loss_numpy:.4f}"
        accuracy = "-" if each.validation_accuracy_numpy is None else f"{each.validation_accuracy_numpy:.1%}"
        apart = "-" if each.largest_difference is None else f"{each.largest_difference:.1e}"
        rows.append(f"| {each.name} | {loss} | {accuracy} | {apart} | {each.result} |")
    return rows


def look_at(twins: Mapping[str, NumpyTwin]) -> list[tuple[str, str]]:
    """Three tags, and what is seen there."""
    kinds = {type(module).__name__ for twin in twins.values() for _, module in twin.model.named_modules()}
    if any("BatchNorm" in kind for kind in kinds):
        third = "after normalisation/in front and behind", "what batch norm is given, and what it makes of it"
    elif any("Dropout" in kind for kind in kinds):
        third = "after dropout/masks", "which units dropout switched off: the same in both engines"
    else:
        third = "all layers/gradient by depth", "whether the gradient vanishes or explodes on its way back"
    return [
        (AGREEMENT, "NumPy's curve on torch's, and their largest difference"),
        ("loss/validation", "beside `loss/training`: where it rises while the other falls, the network overfits"),
        third,
    ]


def listed(looks: Sequence[tuple[str, str]]) -> list[str]:
    """Numbered lines; a tag can be typed into TensorBoard's filter."""
    return [f"{number}. `{tag}`: {text}" for number, (tag, text) in enumerate(looks, start=1)]


def in_a_line(optimizer: Any) -> str:
    """An optimizer with the options that are switched on: SGD(lr=0.1, momentum=0.9)."""
    options = {k: v for k, v in optimizer.param_groups[0].items() if k != "params" and v not in (None, False, 0)}
    return f"{type(optimizer).__name__}({', '.join(f'{key}={shown(value)}' for key, value in options.items())})"
