"""Record more than losses: gradients, activations, and the effects of dropout and batch norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare.lockstep.observe import Seen
from torchref.compare.lockstep.outcome import Step
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.record.pictures import mask_of, masks, normalisation, running_statistics
from torchref.compare.record.recorder import Recorder
from torchref.compare.record.roles import Role, Roles, module_of, roles_in
from torchref.nn.module import Array

__all__ = ["batch_norm_effect", "batch_statistics", "dropout_effect", "record_effects", "statistics_apart"]


def record_effects(
    recorder: Recorder, step: Step, lockstep: Lockstep, rates: list[float], n: int, pictures: bool, every: bool
) -> None:
    """Record step `n`, whose layers were watched, for both engines under the same tags.

    With `every` figure of every layer; without, a few cards, and the norms of all gradients in metrics.jsonl. With
    `pictures` distributions as well, and what dropout and batch norm did.
    """
    sides: tuple[tuple[str, Seen | None, dict[str, Array | None], Any, Any], ...] = (
        ("numpy", step.numpy_seen, step.numpy_gradients, lockstep.numpy_twin, step.numpy_output),
        ("torch", step.torch_seen, step.torch_gradients, lockstep.torch_twin, step.torch_output),
    )
    for engine, seen, gradients, twin, output in sides:
        assert seen is not None
        roles = roles_in(twin.model, seen, output)
        modules = dict(twin.model.named_modules())
        values = learning_rates(rates) | gradient_norms(gradients, roles)
        for name, role in roles.layers.items():
            values |= activation_statistics(role.tag, seen.outputs[name])
            if "Dropout" in role.kind:
                values |= dropout_effect(role.tag, seen.inputs[name], seen.outputs[name])
            elif "BatchNorm" in role.kind:
                values |= batch_norm_effect(role.tag, seen.inputs[name], modules[module_of(name)])
        shown = values if every else few(values, roles)
        recorder.scalars(engine, shown, n)
        norms = {tag: values[tag] for tag in norms_by_depth(roles) if tag in values and tag not in shown}
        recorder.scalars(engine, norms, n, cards=False)
        if pictures:
            arrays = entries(roles, twin.named_weights(), gradients, seen)
            record_entries(recorder, engine, n, arrays if every else few_entries(arrays, roles))
    if pictures:
        record_pictures(recorder, step, lockstep, n, every)


def record_pictures(recorder: Recorder, step: Step, lockstep: Lockstep, n: int, every: bool) -> None:
    """What dropout did, in both twins, and batch norm: of the first layer of each kind, or of `every` one."""
    ours, theirs = step.numpy_seen, step.torch_seen
    assert ours is not None
    assert theirs is not None
    modules = dict(lockstep.numpy_twin.model.named_modules())
    drawn = set()
    for name, role in roles_in(lockstep.numpy_twin.model, ours, step.numpy_output).layers.items():
        x, y = ours.inputs[name], ours.outputs[name]
        if not x.size or (role.kind in drawn and not every):
            continue
        where = f"{recorder.folder.name}, {role.place}"
        if "Dropout" in role.kind and name in theirs.outputs:
            pair = mask_of(x, y), mask_of(theirs.inputs[name], theirs.outputs[name])
            recorder.image("numpy", f"{role.tag}/masks", masks(*pair, f"{where}: dropout at step {n}"), n)
        elif "BatchNorm" in role.kind:
            picture = normalisation(x, y, f"{where}: NumPy's batch norm at step {n}")
            recorder.image("numpy", f"{role.tag}/in front and behind", picture, n)
            module = modules[module_of(name)]
            if module.running_mean is not None:
                running = to_numpy(module.running_mean), to_numpy(module.running_var)
                title = f"{where}: NumPy's statistics at step {n}"
                picture = running_statistics(batch_statistics(x), running, title)
                recorder.image("numpy", f"{role.tag}/running and batch statistics", picture, n)
        else:
            continue
        drawn.add(role.kind)


def shown_layers(roles: Roles) -> list[Role]:
    """The layers that have cards by default: what comes out of the first and of the last hidden place."""
    hidden = [place for place in roles.places if place.startswith("hidden")]
    found = []
    for place in dict.fromkeys([*hidden[:1], *hidden[-1:]]):
        outputs = [role for role in roles.layers.values() if role.place == place and "Dropout" not in role.kind]
        found += outputs[-1:]
    return found


def few(values: dict[str, float], roles: Roles) -> dict[str, float]:
    """The figures that have a card by default, about ten: of the first and the last hidden place, and the gradients."""
    tags = [tag for tag in values if tag.startswith(("all layers/", "learning rate"))]
    norms = norms_by_depth(roles)
    tags += dict.fromkeys([*norms[:1], *norms[-2:]])
    for role in shown_layers(roles):
        tags += [f"{role.tag}/spread", *([f"{role.tag}/share of zeros"] if role.kind == "ReLU" else [])]
        tags += [f"{role.place}/after dropout/share kept"]
        tags += [f"{role.place}/after normalisation/running mean - batch mean, in spreads"]
    return {tag: values[tag] for tag in tags if tag in values}


def norms_by_depth(roles: Roles) -> list[str]:
    """The tag of each place's gradient, in order: of its first parameter, the weight."""
    return [f"{place}/gradient of {roles.parameters[name][1]}/norm" for place, name in roles.weights().items()]


def entries(
    roles: Roles, weights: dict[str, Array], gradients: dict[str, Array | None], seen: Seen
) -> dict[str, Array | None]:
    """{tag: the array whose distribution it shows}: weights, gradients and outputs of the layers."""
    arrays: dict[str, Array | None] = {}
    for name, (place, what) in roles.parameters.items():
        arrays[f"{place}/{what}/entries"] = weights[name]
        arrays[f"{place}/gradient of {what}/entries"] = gradients.get(name)
    return arrays | {f"{role.tag}/entries": seen.outputs[name] for name, role in roles.layers.items()}


def few_entries(arrays: dict[str, Array | None], roles: Roles) -> dict[str, Array | None]:
    """The distributions that have a card by default: what the first and the last hidden place give, and the weights."""
    layers = shown_layers(roles)
    tags = [f"{role.tag}/entries" for role in layers] + [f"{role.place}/weight/entries" for role in layers]
    return {tag: arrays[tag] for tag in tags if tag in arrays}


def record_entries(recorder: Recorder, engine: str, n: int, arrays: dict[str, Array | None]) -> None:
    """The distribution of each array."""
    for tag, array in arrays.items():
        if array is not None:
            recorder.histogram(engine, tag, array, n)


def learning_rates(rates: list[float]) -> dict[str, float]:
    """The rate of each group of parameters."""
    if len(rates) == 1:
        return {"learning rate": rates[0]}
    return {f"learning rate/group {number}": rate for number, rate in enumerate(rates, start=1)}


def gradient_norms(gradients: dict[str, Array | None], roles: Roles) -> dict[str, float]:
    """The Euclidean norm of each parameter's gradient, and of all together."""
    norms = {name: float(np.linalg.norm(g)) for name, g in gradients.items() if g is not None}
    values = {
        f"{place}/gradient of {what}/norm": norms[name]
        for name, (place, what) in roles.parameters.items()
        if name in norms
    }
    return values | {"all layers/gradient/norm": float(np.sqrt(sum(norm**2 for norm in norms.values())))}


def activation_statistics(tag: str, output: Array) -> dict[str, float]:
    """Mean, spread and share of exact zeros of a layer's output."""
    if output.dtype.kind != "f" or not output.size:
        return {}
    return {
        f"{tag}/mean": float(output.mean()),
        f"{tag}/spread": float(output.std()),
        f"{tag}/share of zeros": float(np.mean(output == 0)),
    }


def dropout_effect(tag: str, x: Array, y: Array) -> dict[str, float]:
    """The share of the nonzero inputs that dropout has kept in this step."""
    there = x != 0
    kept = there & (y != 0)
    return {f"{tag}/share kept": float(kept.sum() / max(there.sum(), 1))}


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and unbiased variance of each channel, what batch norm adds to its running statistics. (C,), (C,)"""
    axes = (0, *range(2, x.ndim))
    return x.mean(axes), x.var(axes, ddof=1)


def statistics_apart(x: Array, running_mean: Array, running_var: Array) -> tuple[float, float]:
    """How far the running statistics are from this batch's, over the channels, as root mean squares:

    of (running mean - mean) / spread, and of log(running variance / variance): 0 where evaluation equals training.
    """
    mean, variance = batch_statistics(x)
    tiny = np.finfo(x.dtype).tiny  # a channel that is constant in the batch
    means = (running_mean - mean) / np.sqrt(variance + tiny)
    variances = np.log((running_var + tiny) / (variance + tiny))
    return float(np.sqrt(np.mean(means * means))), float(np.sqrt(np.mean(variances * variances)))


def batch_norm_effect(tag: str, x: Array, module: Any) -> dict[str, float]:
    """Mean and variance of the batch and of the running statistics, averaged over the channels; how far apart."""
    mean, variance = batch_statistics(x)
    values = {
        f"{tag}/batch mean": float(mean.mean()),
        f"{tag}/batch variance": float(variance.mean()),
        f"{tag}/size of the input": float(np.sqrt(np.mean(np.square(x)))),
    }
    if module.running_mean is not None:
        running = to_numpy(module.running_mean), to_numpy(module.running_var)
        values[f"{tag}/running mean"] = float(np.mean(running[0]))
        values[f"{tag}/running variance"] = float(np.mean(running[1]))
        apart = statistics_apart(x, *running)
        values[f"{tag}/running mean - batch mean, in spreads"] = apart[0]
        values[f"{tag}/log of running / batch variance"] = apart[1]
    return values


def to_numpy(buffer: Any) -> Array:
    """The array of either engine's buffer."""
    return buffer if isinstance(buffer, np.ndarray) else buffer.cpu().numpy()
