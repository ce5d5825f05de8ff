"""Record more than losses: gradients, activations, and the effects of dropout and batch norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare.lockstep.observe import Seen
from torchref.compare.lockstep.step import Lockstep, Step
from torchref.compare.record.recorder import Recorder
from torchref.nn.module import Array

__all__ = [
    "DROPPED",
    "KEPT",
    "batch_norm_effect",
    "batch_statistics",
    "dropout_effect",
    "dropout_mask",
    "mask_picture",
    "masks_side_by_side",
    "record_effects",
    "statistics_apart",
    "statistics_picture",
]


def record_effects(
    recorder: Recorder, step: Step, lockstep: Lockstep, rates: list[float], n: int, histograms: bool
) -> None:
    """Record step `n`, whose layers were watched, for both engines under the same tags."""
    sides: tuple[tuple[str, Seen | None, dict[str, Array | None], Any], ...] = (
        ("numpy", step.numpy_seen, step.numpy_gradients, lockstep.numpy_twin),
        ("torch", step.torch_seen, step.torch_gradients, lockstep.torch_twin),
    )
    for engine, seen, gradients, twin in sides:
        assert seen is not None
        values = {f"learning rate/group {i}": rate for i, rate in enumerate(rates)}
        values |= gradient_norms(gradients)
        modules = dict(twin.model.named_modules())
        for name in seen.outputs:
            module = modules[name.split(" (")[0]]
            values |= activation_statistics(name, seen.outputs[name])
            kind = type(module).__name__
            if "Dropout" in kind:
                values |= dropout_effect(name, seen)
                if histograms and seen.inputs[name].size:
                    recorder.image(engine, f"dropout mask/{name}", mask_picture(dropout_mask(name, seen)), n)
            elif "BatchNorm" in kind:
                values |= batch_norm_effect(name, seen, module)
        recorder.scalars(engine, values, n)
        if histograms:
            for kind, arrays in (
                ("weights", twin.named_weights()),
                ("gradients", gradients),
                ("activations", seen.outputs),
            ):
                for name, array in arrays.items():
                    if array is not None:
                        recorder.histogram(engine, f"{kind}/{name}", array, n)


def gradient_norms(gradients: dict[str, Array | None]) -> dict[str, float]:
    """The Euclidean norm of each parameter's gradient, and of all together."""
    norms = {name: float(np.linalg.norm(g)) for name, g in gradients.items() if g is not None}
    return {f"gradient norm/{name}": norm for name, norm in norms.items()} | {
        "gradient norm/all": float(np.sqrt(sum(norm**2 for norm in norms.values())))
    }


def activation_statistics(name: str, output: Array) -> dict[str, float]:
    """Mean, spread and share of exact zeros of a layer's output."""
    if output.dtype.kind != "f" or not output.size:
        return {}
    return {
        f"activation mean/{name}": float(output.mean()),
        f"activation spread/{name}": float(output.std()),
        f"activation zeros/{name}": float(np.mean(output == 0)),
    }


def dropout_effect(name: str, seen: Seen) -> dict[str, float]:
    """The share of the nonzero inputs that dropout has kept in this step."""
    there = seen.inputs[name] != 0
    kept = there & (seen.outputs[name] != 0)
    return {f"dropout kept/{name}": float(kept.sum() / max(there.sum(), 1))}


KEPT, DROPPED, NOTHING = 1.0, 0.0, 0.5  # in a mask: what was zero before shows nothing


def dropout_mask(name: str, seen: Seen) -> Array:
    """Which units dropout has kept in this step: examples from top to bottom, units from left to right. (N, units)"""
    x, y = (seen.inputs[name], seen.outputs[name])
    x, y = (array.reshape(len(array), -1) for array in (x, y))
    return np.where(x == 0, NOTHING, np.where(y == 0, DROPPED, KEPT))


def mask_picture(mask: Array, rows: int = 32, columns: int = 64, scale: int = 4) -> Array:
    """A corner of a mask, each unit a square: white was kept, black dropped, grey was zero before. (H, W)"""
    return np.kron(mask[:rows, :columns], np.ones((scale, scale)))


def masks_side_by_side(ours: Array, theirs: Array) -> Array:
    """NumPy's mask, torch's mask, and where they differ, in red: an equal pair leaves the third one dark. (H, W, 3)"""
    ours, theirs = mask_picture(ours), mask_picture(theirs)
    differing = np.stack([ours != theirs, np.zeros_like(ours), np.zeros_like(ours)], axis=2).astype(np.float64)
    line = np.broadcast_to(np.array([1.0, 0.5, 0.0]), (len(ours), 8, 3))  # orange, between the three
    pictures = [np.stack([each] * 3, axis=2) for each in (ours, theirs)]
    return np.concatenate([pictures[0], line, pictures[1], line, differing], axis=1)


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


def statistics_picture(batch: Array, running: Array, height: int = 8, width: int = 256) -> Array:
    """Two (C, times) in one picture: batch, a line, running. A row a channel, time from left to right. (H, W, 3)

    A channel's shades go from the least (black) to the greatest (white) of its batches, in both.
    """
    low, high = batch.min(axis=1, keepdims=True), batch.max(axis=1, keepdims=True)
    cell = np.ones((height, max(1, width // batch.shape[1])))
    shades = [np.clip((each - low) / np.where(high > low, high - low, 1.0), 0, 1) for each in (batch, running)]
    grey = [np.stack([np.kron(each, cell)] * 3, axis=2) for each in shades]
    line = np.broadcast_to(np.array([1.0, 0.5, 0.0]), (len(grey[0]), height, 3))
    return np.concatenate([grey[0], line, grey[1]], axis=1)


def batch_norm_effect(name: str, seen: Seen, module: Any) -> dict[str, float]:
    """Mean and variance of the batch and of the running statistics, averaged over the channels; how far apart."""
    x = seen.inputs[name]
    mean, variance = batch_statistics(x)
    values = {
        f"batch norm/{name} batch mean": float(mean.mean()),
        f"batch norm/{name} batch variance": float(variance.mean()),
        f"batch norm/{name} size of the input": float(np.sqrt(np.mean(np.square(x)))),
    }
    if module.running_mean is not None:
        running = to_numpy(module.running_mean), to_numpy(module.running_var)
        values[f"batch norm/{name} running mean"] = float(np.mean(running[0]))
        values[f"batch norm/{name} running variance"] = float(np.mean(running[1]))
        apart = statistics_apart(x, *running)
        values[f"batch norm/{name} running mean - batch mean, in spreads"] = apart[0]
        values[f"batch norm/{name} running / batch variance, log"] = apart[1]
    return values


def to_numpy(buffer: Any) -> Array:
    """The array of either engine's buffer."""
    return buffer if isinstance(buffer, np.ndarray) else buffer.cpu().numpy()
