"""Why the weights of two equal trainings part when they run free: rounding, and how the training enlarges it."""

from __future__ import annotations

from torchref.compare.lockstep.step import Lockstep

__all__ = ["explain_drift"]


def explain_drift(lockstep: Lockstep) -> str:
    """One sentence about the drift of a float64 training, with the parameter that drifts most.

    A gradient may be zero by symmetry: that of a bias in front of batch norm, or of attention's keys. What is computed
    of it is rounding alone, and an optimizer that divides a gradient by its own size makes full steps of it.
    """
    free, theirs = lockstep.free_twin.named_weights(), lockstep.torch_twin.named_weights()
    apart = {name: (free[name] - theirs[name]) ** 2 for name in theirs}
    most = max(apart, key=lambda name: float(apart[name].sum()))
    said = f"running free, the weights part by {lockstep.drift():.1e}, {most} most"
    of_noise = sum(float(apart[name][entries].sum()) for name, entries in lockstep.bounds.zero.items())
    if 2 * of_noise > sum(float(squares.sum()) for squares in apart.values()):
        optimizer = type(lockstep.torch_twin.optimizer).__name__
        return f"{said}: its gradient is zero but for rounding, and {optimizer} makes steps of the rounding"
    return f"{said}: every step is equal, and rounding grows from step to step; less so at a lower learning rate"
