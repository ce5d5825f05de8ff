"""What TensorBoard shows beside the losses: gradients, activations, and what dropout and batch norm do to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from comparisons.lockstep import Lockstep, Step
from comparisons.observe import Seen
from comparisons.record import Recorder
from torchref.nn.module import Array


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
    """Mean, spread and share of exact zeros of what a layer puts out."""
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


def batch_norm_effect(name: str, seen: Seen, module: Any) -> dict[str, float]:
    """Mean and variance of the batch and of the running statistics, averaged over the channels."""
    x = seen.inputs[name]
    axes = (0, *range(2, x.ndim))
    values = {
        f"batch norm/{name} batch mean": float(x.mean(axes).mean()),
        f"batch norm/{name} batch variance": float(x.var(axes).mean()),
        f"batch norm/{name} size of the input": float(np.sqrt(np.mean(np.square(x)))),
    }
    if module.running_mean is not None:
        values[f"batch norm/{name} running mean"] = float(np.mean(to_numpy(module.running_mean)))
        values[f"batch norm/{name} running variance"] = float(np.mean(to_numpy(module.running_var)))
    return values


def to_numpy(buffer: Any) -> Array:
    return buffer if isinstance(buffer, np.ndarray) else buffer.cpu().numpy()
