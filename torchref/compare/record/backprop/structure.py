"""A watched step as data: its layers in order, and every tensor with its shape, its axes, its bound, what was cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchref.compare.lockstep.divergence import FLOW
from torchref.compare.lockstep.watched import Watched
from torchref.compare.record.backprop.axes import SEQUENCE, axes_of_flow, axes_of_weight, units_axis
from torchref.compare.record.backprop.cut import kept_of_draw, kept_of_flow, kept_of_sequence, kept_of_weight, limit_of
from torchref.compare.record.backprop.source import derivation
from torchref.compare.record.roles import module_of, roles_in
from torchref.nn.module import Array

__all__ = ["LAYERS", "Pair", "Structure", "structure"]

LAYERS = 48  # runs of layers, at most: a recurrence written as a loop has one for each time
FURTHER = 2**15  # entries, at most, of a mask, a draw or a state that a layer is given beside its input
OPTIONS = (  # of a layer, or a loss, that its gradient depends on
    *("stride", "padding", "padding_mode", "dilation", "groups", "kernel_size", "count_include_pad"),
    *("eps", "p", "training", "affine", "normalized_shape", "num_groups", "track_running_stats", "dropout", "bias"),
    *("divisor_override", "padding_idx"),
    *("batch_first", "num_layers", "bidirectional", "hidden_size", "proj_size", "nonlinearity", "num_heads"),
    *("add_zero_attn", "reduction", "label_smoothing", "ignore_index", "delta", "dim", "approximate", "alpha", "beta"),
    *("negative_slope", "threshold", "value", "lambd", "min_val", "max_val", "lower", "upper"),
)


@dataclass
class Pair:
    """One tensor in both engines, either of which may have none, and how much of it is recorded."""

    numpy: Array | None
    torch: Array | None
    axes: tuple[str, ...]
    kept: tuple[int, ...]
    bound: float | None = None  # the largest difference that rounding explains, ...
    bound_is: str = ""  # ... and where it comes from

    def cut(self, array: Array | None) -> Array | None:
        """The part that is recorded."""
        return None if array is None else array[tuple(slice(size) for size in self.kept)]

    def said(self) -> dict[str, Any]:
        """All but the entries; the figures are those of the whole tensor."""
        shown = self.numpy if self.numpy is not None else self.torch
        assert shown is not None
        said: dict[str, Any] = {"shape": shown.shape, "kept": self.kept, "axes": self.axes, "dtype": shown.dtype.name}
        if self.bound is not None:
            said |= {"bound": self.bound, "bound_is": self.bound_is}
        for engine, array in (("numpy", self.numpy), ("torch", self.torch)):
            if array is not None and array.size:
                said[engine] = figures(array)
        both = self.numpy is not None and self.torch is not None and self.numpy.shape == self.torch.shape
        if both and shown.size:
            said["difference"], said["difference_at"] = largest_difference(self.numpy, self.torch)
        return said


@dataclass
class Structure:
    """`said` goes to the browser as it is (JSON); `tensors` by their tag."""

    said: dict[str, Any]
    tensors: dict[str, Pair] = field(default_factory=dict)


def structure(
    step: Watched, n: int, model: Any, criterion: Any, screen: Mapping[str, float], divergence: Mapping[str, Any]
) -> Structure:
    """Step `n` of a network in NumPy; `screen`: the bounds of the judge; `divergence`: where the twins part, if so."""
    tensors: dict[str, Pair] = {}
    modules = dict(model.named_modules())
    turns = [turn for turn in step.numpy_seen.outputs if step.numpy_seen.outputs[turn].size][:LAYERS]
    kinds: dict[str, Any] = {turn: type(modules[module_of(turn)]) for turn in turns}
    roles = roles_in(model, step.numpy_seen, step.output).layers
    layers = []
    for turn in turns:
        name, module = module_of(turn), modules[module_of(turn)]
        layers.append(
            {"name": name, "turn": turn, "place": roles[turn].place, "stage": roles[turn].stage}
            | described(module)
            | add_flow(tensors, step, turn, module, limit_of(len(turns)))
            | add_further(tensors, step, turn, module, limit_of(len(turns)))
            | {"parameters": add_parameters(tensors, step, name, module, screen)}
        )
    whole = len(step.numpy_seen.outputs)
    tensors["target"] = flow(step.target, step.target, axes_of_flow("", True, step.target.ndim, ()), limit_of(1))
    said: dict[str, Any] = {
        "step": n,
        "layers": layers,
        "left_out": whole - len(layers),
        "loss": described(criterion) | {"target": "target", "numpy": step.numpy_loss, "torch": step.torch_loss},
        "derivations": {kind.__name__: derivation(kind) for kind in {*kinds.values(), type(criterion)}},
        "tensors": {tag: pair.said() for tag, pair in tensors.items()},
    }
    weight = getattr(criterion, "weight", None)
    if weight is not None:  # of the classes
        tensors["loss/weight"] = Pair(weight, weight, ("class",), weight.shape)
        said["loss"]["weight"] = "loss/weight"
        said["tensors"]["loss/weight"] = tensors["loss/weight"].said()
    if "loss " in screen:
        said["loss"]["bound"] = screen["loss "]
    return Structure(said | ({"divergence": dict(divergence)} if divergence else {}), tensors)


def described(module: Any) -> dict[str, Any]:
    """A layer's kind, its constructor as it prints, and the options that its gradient depends on."""
    options = {name: getattr(module, name) for name in OPTIONS if hasattr(module, name)}
    plain = {name: value for name, value in options.items() if isinstance(value, bool | int | float | str | tuple)}
    weighted = any(getattr(module, name, None) is not None for name in ("weight", "pos_weight"))
    return {"kind": type(module).__name__, "says": repr(module), "options": plain | {"weighted": weighted}}


def add_flow(tensors: dict[str, Pair], step: Watched, turn: str, module: Any, limit: int) -> dict[str, str]:
    """Add what a layer takes in and puts out, and the gradient of that, up to `limit` entries each; returns tags."""
    ours, theirs = step.numpy_seen, step.torch_seen
    tags = {}
    before: tuple[str, ...] = ()
    if turn in ours.inputs:
        x = ours.inputs[turn]
        # This very array; of several layers that have handed it on, the last.
        made_by = next((tag for tag, pair in reversed(tensors.items()) if pair.numpy is x), None)
        if made_by is None:
            made_by = f"{turn}/x"
            tensors[made_by] = flow(x, theirs.inputs.get(turn), axes_of_flow("", True, x.ndim, ()), limit)
        tags["x"], before = made_by, tensors[made_by].axes
    y = ours.outputs[turn]
    axes = axes_of_flow(type(module).__name__, bool(getattr(module, "batch_first", True)), y.ndim, before)
    whole = type(module).__name__.startswith(SEQUENCE) and y.ndim == 3
    if whole and "x" in tags:  # once more, with all times and units of a few examples
        tags["from"], tags["x"] = tags["x"], f"{turn}/x"
        tensors[tags["x"]] = sequence(ours.inputs[turn], theirs.inputs.get(turn), axes, limit)
    pair = sequence if whole else flow
    tags["y"] = f"{turn}/y"
    tensors[tags["y"]] = pair(y, theirs.outputs.get(turn), axes, limit)
    if turn in ours.output_gradients:
        tags["dy"] = f"{turn}/dy"
        tensors[tags["dy"]] = pair(ours.output_gradients[turn], theirs.output_gradients.get(turn), axes, limit)
    return tags


def add_further(
    tensors: dict[str, Pair], step: Watched, turn: str, module: Any, limit: int
) -> dict[str, dict[str, str]]:
    """Add what a recurrence or attention takes beside its input, what it draws, and its other outputs' gradients.

    `also`: their tags; `takes`: the tags of the outputs that they are. An array that is given twice is added once.
    """
    if not type(module).__name__.startswith(SEQUENCE) or step.numpy_seen.outputs[turn].ndim != 3:
        return {}
    given = dict(step.numpy_seen.further_inputs.get(turn, {}))
    gradients = {f"d{name}": array for name, array in step.numpy_seen.further_gradients.get(turn, {}).items()}
    axes = tensors[f"{turn}/y"].axes
    query, key = step.numpy_seen.inputs.get(turn), given.get("key")
    if given.get("value") is key:
        given.pop("value", None)
    if key is query:
        given.pop("key", None)
    also: dict[str, str] = {}
    takes: dict[str, str] = {}
    for name, array in (given | gradients).items():
        tag = f"{turn}/{name}"
        if name in ("key", "value"):
            made_by = next((other for other, pair in tensors.items() if pair.numpy is array), None)
            takes |= {name: made_by} if made_by else {}
            tensors[tag] = sequence(array, None, axes, limit)
        elif name.startswith("draw"):  # of which the first examples are enough; a recurrence draws (T, N, H)
            kept = kept_of_draw(array.shape, 0 if type(module).__name__ == "MultiheadAttention" else 1, FURTHER)
            tensors[tag] = Pair(array != 0, None, tuple(f"axis {i}" for i in range(array.ndim)), kept)
        elif array.size <= FURTHER:
            tensors[tag] = Pair(array, None, tuple(f"axis {i}" for i in range(array.ndim)), array.shape)
        else:
            continue
        also[name] = tag
    return {"also": also, "takes": takes}


def add_parameters(
    tensors: dict[str, Pair], step: Watched, layer: str, module: Any, screen: Mapping[str, float]
) -> dict[str, dict[str, str]]:
    """Add a layer's own parameters, their gradients, and what the optimizer makes of them; returns their tags."""
    found = {}
    for name, full in own_parameters(layer, module, step):
        weight, gradient = step.weights[full], step.numpy_gradients.get(full)
        axes, kept = (
            axes_of_weight(type(module).__name__, name, weight.ndim),
            kept_of_weight(weight.shape, whole=type(module).__name__.startswith(SEQUENCE)),
        )
        tags = {"value": f"{full}/value"}
        tensors[tags["value"]] = Pair(weight, weight, axes, kept)
        if gradient is not None:
            tags["gradient"] = f"{full}/gradient"
            pair = Pair(gradient, step.torch_gradients.get(full), axes, kept)
            pair.bound, pair.bound_is = screen.get(f"gradient {full}"), "the comparison's own, for the whole tensor"
            tensors[tags["gradient"]] = pair
        if full in step.numpy_after:
            tags["after"] = f"{full}/after"
            pair = Pair(step.numpy_after[full], step.torch_after.get(full), axes, kept)
            pair.bound, pair.bound_is = screen.get(f"update {full}"), "the comparison's own, for the whole tensor"
            tensors[tags["after"]] = pair
        found[name] = tags
    return found


def own_parameters(layer: str, module: Any, step: Watched) -> Iterator[tuple[str, str]]:
    """(name, full name) of the parameters that a layer itself holds."""
    for name, _ in module.named_parameters():
        full = f"{layer}.{name}".lstrip(".")
        if full in step.weights:
            yield name, full


def flow(ours: Array, theirs: Array | None, axes: tuple[str, ...], limit: int) -> Pair:
    """A tensor between layers. No bound of the judge holds for it: `first_divergence` allows a share of its largest."""
    pair = Pair(ours, theirs, axes, kept_of_flow(ours.shape, units_axis(axes), limit) if ours.ndim else ())
    if ours.dtype.kind == "f":
        u = float(np.finfo(ours.dtype).eps) / 2
        pair.bound = FLOW * u * float(np.abs(ours).max(initial=0.0))
        share = f"{FLOW * u:.0e} of the largest entry ({FLOW} rounding errors of {u:.0e})"
        pair.bound_is = f"{share}: what flows between layers has no bound of its own"
    return pair


def sequence(ours: Array, theirs: Array | None, axes: tuple[str, ...], limit: int) -> Pair:
    """`flow` for a recurrence: another part of it is recorded."""
    pair = flow(ours, theirs, axes, limit)
    pair.kept = kept_of_sequence(ours.shape, axes.index("example"), limit)
    return pair


def figures(array: Array) -> dict[str, Any]:
    """Size, range and zeros of a whole tensor."""
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "norm": float(np.linalg.norm(array.astype(np.float64, copy=False))),
            "smallest": float(array.min()),
            "largest": float(array.max()),
            "zeros": int(array.size - np.count_nonzero(array)),
            "dead": dead_units(array),
        }


def dead_units(array: Array) -> int:
    """How many units (channels) are zero for every example of the batch."""
    if array.ndim < 2:
        return 0
    axis = 1 if array.ndim > 3 else array.ndim - 1
    return int(np.sum(~np.any(array, axis=tuple(i for i in range(array.ndim) if i != axis))))


def largest_difference(ours: Any, theirs: Any) -> tuple[float, list[int]]:
    """The largest difference between the twins' tensors, and where it is."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    apart = np.where(np.isnan(apart) & ((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))), 0.0, apart)
    at = np.unravel_index(int(np.argmax(np.where(np.isnan(apart), np.inf, apart))), apart.shape)
    return float(apart[at]), [int(i) for i in at]
