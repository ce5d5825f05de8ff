"""Dropout switches off a random part of a layer in each training step and narrows the gap to the held-out loss.

Varied: the share p that is dropped, 0, 0.2, 0.5 and 0.8, behind two layers of 128 hidden neurons, on 150 digits.
Measured: the gap between held-out and training loss; the share kept; the same masks in both twins; the mean of many
dropped outputs beside the undropped one (scaled in training); evaluation beside layers that are not there (silent);
the loss of one batch, with the same weights, in training and in evaluation.
Refuted by: a gap as wide as without, another share or scale, an evaluation that changes.
Beside it: does the held-out accuracy rise? A narrow gap may also be bought with a worse fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison, Data
from torchref.compare.datasets.bundled import digits
from torchref.compare.record.pictures import DROPPED, KEPT, mask_of, masks
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Across, Figures, Finding, Lesson, Trained, always, equal, larger, within
from torchref.nn.random import set_rng

SHARES = (0.0, 0.2, 0.5, 0.8)
LAYERS = {"2": "hidden 1", "5": "hidden 2"}  # the two dropout layers, and what they belong to
PLACES = tuple(LAYERS.values())
PARTS = ("validation", "training")


def few() -> Data:
    """150 digits to train on: few enough to be learned by heart."""
    data: Any = digits()
    return Data(data.train_inputs[:150], data.train_targets[:150], data.validation_inputs, data.validation_targets)


def network(nn: Any, p: float) -> Any:
    """Two hidden layers, each with dropout behind it."""
    hidden = [nn.Linear(64, 128), nn.ReLU(), nn.Dropout(p), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(p)]
    return nn.Sequential(*hidden, nn.Linear(128, 10))


def dropping(p: float) -> Comparison:
    """Few digits, with this probability of a unit's absence."""
    return Comparison(
        name="dropout",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
        data=few,
        variants={"dropout": {"p": p}},
        epochs=40,
        batch_size=50,
    )


def watch(trained: Trained, step: Any) -> None:
    """The share of each layer that this step has kept, and the masks of both twins."""
    for layer, place in LAYERS.items():
        both = [mask_of(seen.inputs[layer], seen.outputs[layer]) for seen in (step.numpy_seen, step.torch_seen)]
        shares = [np.sum(mask == KEPT) / max(np.sum((mask == KEPT) | (mask == DROPPED)), 1) for mask in both]
        trained.note(f"{place}/after dropout/share kept", *(float(share) for share in shares))
        trained.kept.setdefault("same masks", []).append(np.array_equal(both[0], both[1]))
        trained.kept.setdefault(f"masks of {place}", []).append(both)


def train(trained: Trained) -> None:
    """Every example once an epoch. Each batch is evaluated as well, with the weights that the step starts from."""
    data, comparison = trained.data, trained.comparison
    for _ in range(comparison.epochs):
        order = trained.order.permutation(len(data.train_inputs))
        for batch in np.split(order, 3):
            x, target = data.train_inputs[batch], data.train_targets[batch]
            ours, theirs = (twin.evaluate(x, target)[1] for twin in twins(trained))
            step = trained.step(x, target, observe=True)
            trained.note("same batch/loss in training", step.numpy_loss, step.torch_loss)
            trained.note("same batch/loss in evaluation", ours, theirs)
            trained.note("same batch/training - evaluation", step.numpy_loss - ours, step.torch_loss - theirs)
        trained.evaluate()
        (_, held_out, torch_held_out), (_, fit, torch_fit) = (trained.curves[f"loss/{part}"][-1] for part in PARTS)
        assert torch_held_out is not None
        assert torch_fit is not None
        trained.note("gap/held-out - training loss", held_out - fit, torch_held_out - torch_fit)
        if trained.stop:
            break


def twins(trained: Trained) -> tuple[Any, Any]:
    """The NumPy twin and the torch twin."""
    return trained.lockstep.numpy_twin, trained.lockstep.torch_twin


def measure(trained: Trained) -> dict[str, float]:
    model, x = trained.model, trained.data.validation_inputs[:40]
    hidden = model[1].predict(model[0].predict(x))
    set_rng(model, trained.rng)
    mean = np.mean([model[2](hidden)[0] for _ in range(200)], axis=0)
    without = torchref.nn.Sequential(*(layer for layer in model if not isinstance(layer, torchref.nn.Dropout)))
    return {
        "gap": trained.last("gap/held-out - training loss"),
        "held-out loss": trained.last("loss/validation"),
        "accuracy": trained.last("accuracy/validation"),
        "training loss": trained.last("loss/training"),
        **{f"kept, {place}": float(trained.curve(f"{place}/after dropout/share kept").mean()) for place in PLACES},
        "same masks": float(np.all(trained.kept["same masks"])),
        "scale": float(mean.sum() / hidden.sum()),
        "evaluation": float(np.abs(model.predict(x) - without.predict(x)).max()),
        "same batch": float(trained.curve("same batch/training - evaluation").mean()),
    }


def judge(f: Figures) -> list[Finding]:
    gap = {p: f[f"p={p}"]["gap"] for p in SHARES}
    half, none = f["p=0.5"], f["p=0.0"]
    return [
        larger("p = 0.5 narrows the gap between held-out and training loss", gap[0.0], gap[0.5], by=0.01),
        *(within(f"p = 0.5 keeps half of the units of {at}", half[f"kept, {at}"], 0.47, 0.53) for at in PLACES),
        always("the same ones in both twins, in every step", half["same masks"] > 0),
        within("what is kept is scaled, so that the mean is what it was", half["scale"], 0.97, 1.03),
        equal("in evaluation the layers are not there", half["evaluation"], 0.0),
        larger("the same batch and weights: the loss is higher in training than in evaluation", half["same batch"], 0),
        larger("part of that is a worse fit in training", half["training loss"], none["training loss"], role="limit"),
        larger("p = 0.8 narrows the gap more than 0.5", gap[0.5], gap[0.8], role="beside"),
        larger("p = 0.5 is right more often on held-out data", half["accuracy"], none["accuracy"], role="beside"),
    ]


def across(f: Figures) -> list[Across]:
    """The losses and their gap over the share that is dropped."""
    losses = {name: [(str(p), f[f"p={p}"][name]) for p in SHARES] for name in ("held-out loss", "training loss", "gap")}
    return [Across("figures/loss over the share that is dropped", "p", "loss at the end", losses)]


def show(recorder: Recorder, trained: Trained) -> None:
    """The masks of both twins: at several steps; and what becomes of the first example, step after step."""
    n = trained.lockstep.steps
    for place in PLACES:
        steps = trained.kept[f"masks of {place}"]
        for at in sorted({0, n // 3, 2 * n // 3, n - 1}):
            ours, theirs = steps[at]
            picture = masks(ours, theirs, f"{place}: dropout at step {at + 1}")
            recorder.image("numpy", f"{place}/after dropout/masks", picture, at + 1)
        ours, theirs = (np.stack([pair[side][0] for pair in steps]) for side in (0, 1))
        picture = masks(ours, theirs, f"{place}: the first example of each batch", "step")
        recorder.image("numpy", f"{place}/after dropout/masks of the first example", picture, n)


lesson = Lesson(
    name="dropout",
    claim=__doc__ or "",
    variants={f"p={p}": dropping(p) for p in SHARES},
    measure=measure,
    judge=judge,
    control="p=0.0",
    train=train,
    watch=watch,
    show=show,
    across=across,
    cards=(
        "gap/held-out - training loss",
        "figures/loss over the share that is dropped",
        "same batch/training - evaluation",
        "hidden 1/after dropout/share kept",
    ),
    quick=9,
    tags={
        "gap/held-out - training loss": "How much higher the loss is on held-out digits than on those trained on. It "
        "grows where digits are learned by heart.",
        "same batch/loss in training": "The loss of the step's batch with units switched off, before the step.",
        "same batch/loss in evaluation": "The loss of the same batch and weights with all units, before the step.",
        "same batch/training - evaluation": "The difference of the two: what switching off costs. 0 without dropout.",
        "hidden 1/after dropout/masks of the first example": "What became of the first example of each batch, step "
        "after step: blue kept, orange dropped, grey 0 before.",
        "hidden 2/after dropout/masks of the first example": "The same in the second layer.",
    },
)
