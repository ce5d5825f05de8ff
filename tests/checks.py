"""What holds for every module, written once. `tests/nn/test_universal.py` runs each check over every case.

The upstream gradients are random, parameters and buffers are moved off their defaults, and draws are replayed from
torch. A failure names the case, the seed, the tensor, the first wrong index, both values and the bound.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, get_overloads

import numpy as np
import pytest
import torch

import torchref
from tests.called import Call, called, stands
from tests.cases import Case
from tests.certify.witness import complex_step, richardson
from tests.layouts import Layout, constant_along, layouts
from torchref.check.tolerance.bound import bound
from torchref.check.tolerance.rounding import MARGIN, rounding_spread
from torchref.nn.packed import PackedSequence
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import record_draws

SEED = 20260
TINY = float(np.finfo(np.float64).tiny)
ENTRIES = 24  # of each tensor, those for which the witness is asked
HOOKED = ("utils.weight_norm", "utils.spectral_norm")  # they compute a weight, and then the layer
ROWS = 5  # of the Jacobian, beside the random combination of all of them

Array = np.ndarray


# --- trees: an output or input is an array, a tuple, list, dict or PackedSequence of those, or None -------------------


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, leaf) for every array or tensor in `tree`."""
    if tree is None:
        return
    if isinstance(tree, dict):
        tree = tuple(tree.items())
        for key, value in tree:
            yield from leaves(value, f"{name}.{key}")
    elif hasattr(tree, "batch_sizes"):
        yield from leaves(tree.data, f"{name}.data")
    elif isinstance(tree, tuple | list):
        for i, value in enumerate(tree):
            yield from leaves(value, f"{name}[{i}]")
    else:
        yield name, tree


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `function` applied to every leaf."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: map_tree(function, value) for key, value in tree.items()}
    if hasattr(tree, "batch_sizes"):
        return tree._replace(data=function(tree.data))
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_tree(function, value) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(map_tree(function, value) for value in tree)
    return function(tree)


def floating(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "fc"


# --- building a case --------------------------------------------------------------------------------------------------


def draw_inputs(case: Case, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def drawn(value: Any) -> Any:
        return map_tree(lambda leaf: leaf(rng) if callable(leaf) else leaf, value)

    return tuple(map(drawn, case.inputs)), {name: drawn(value) for name, value in case.options.items()}


def cast(tree: Any, dtype: Any) -> Any:
    """Floating arrays of `tree` in `dtype`, strides kept; all else as it is."""
    return map_tree(lambda leaf: leaf.astype(dtype, order="K") if floating(leaf) else leaf, tree)


def tensor(leaf: Any) -> Any:
    return torch.from_numpy(leaf.copy(order="K")) if isinstance(leaf, np.ndarray) else leaf


def tensors(tree: Any) -> Any:
    """`tree` with a tensor for every array, and torch's PackedSequence for ours."""
    if isinstance(tree, PackedSequence):
        return torch.nn.utils.rnn.PackedSequence(*map(tensor, tree))
    if isinstance(tree, dict):
        return {key: tensors(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(map(tensors, tree))
    return tensor(tree)


def construct(namespace: Any, case: Case, dtype: Any) -> Any:
    """The module of `case` from torchref.nn or torch.nn. A callable argument is built from the namespace first.

    A function or method (`functional.normalize`) is put into a module.
    """

    def argument(value: Any) -> Any:
        if callable(value) and not isinstance(value, type):
            return value(namespace)
        value = cast(value, dtype)
        return tensors(value) if namespace is torch.nn else value

    args = [argument(value) for value in case.args]
    kwargs = {name: argument(value) for name, value in case.kwargs.items()}
    module = called(namespace, case.module, stands(namespace, case.module), tuple(args), kwargs)
    return module.to(getattr(torch, np.dtype(dtype).name) if namespace is torch.nn else dtype)


def off_default_state(theirs: torch.nn.Module, rng: np.random.Generator) -> dict[str, Array]:
    """Random values for every parameter and buffer, none at a default that hides a mistake; buffers positive."""
    parameters = {name for name, _ in theirs.named_parameters(remove_duplicate=False)}
    state = {}
    for name, value in theirs.state_dict().items():
        array = value.detach().numpy().astype(np.float64 if value.is_floating_point() else value.numpy().dtype)
        if name in parameters:
            array = array + 0.3 * rng.standard_normal(array.shape)
        elif value.is_floating_point():
            array = rng.uniform(0.5, 2.0, array.shape)
        state[name] = np.array(array)
    return state


class Built:
    """A case in one dtype: both modules with the same off-default state, and the inputs."""

    def __init__(self, case: Case, dtype: Any, seed: int = SEED) -> None:
        rng = np.random.default_rng(seed)
        self.case, self.dtype, self.seed = case, np.dtype(dtype), seed
        torch.manual_seed(seed)
        torchref.manual_seed(seed)
        self.theirs = construct(torch.nn, case, dtype).train(case.training)
        self.ours = construct(torchref.nn, case, dtype).train(case.training)
        inputs, options = draw_inputs(case, rng)
        self.inputs, self.options = cast(inputs, dtype), cast(options, dtype)
        self.state = cast(off_default_state(self.theirs, rng), dtype)
        self.theirs.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in self.state.items()})
        self.ours.load_state_dict(self.state)

    def run_theirs(self) -> Result:
        """torch's output and gradients for a random upstream gradient, and the tape of its draws."""
        inputs, options = tensors(self.inputs), tensors(self.options)
        differentiable = [
            leaf for _, leaf in leaves((inputs, options)) if torch.is_tensor(leaf) and leaf.is_floating_point()
        ]
        for i, leaf in enumerate(differentiable):
            leaf.requires_grad_(i not in self.case.constants)
        with record_draws() as tape:
            # Clones, because torch refuses to work in place on a leaf.
            inputs, options = map_tree(lambda t: t.clone() if torch.is_tensor(t) else t, (inputs, options))
            output = self.theirs(*inputs, **options)
        self.tape = tape
        output_arrays = map_tree(lambda leaf: leaf.detach().numpy().copy() if torch.is_tensor(leaf) else leaf, output)
        doutput = self.upstream(output_arrays)
        pairs = [
            (leaf, upstream)
            for (_, leaf), (_, upstream) in zip(leaves(output), leaves_or_none(doutput, output_arrays), strict=True)
            if upstream is not None and torch.is_tensor(leaf) and leaf.requires_grad
        ]
        if pairs:
            torch.autograd.backward([p[0] for p in pairs], [torch.from_numpy(p[1].copy()) for p in pairs])
        return Result(
            output_arrays,
            [None if leaf.grad is None else leaf.grad.numpy() for leaf in differentiable],
            {n: None if p.grad is None else p.grad.numpy() for n, p in self.theirs.named_parameters()},
            {n: b.numpy() for n, b in self.theirs.named_buffers()},
        )

    def upstream(self, output: Any) -> Any:
        """A random gradient for each floating output, drawn from this case's seed; None for the others.

        Its numbers are those that the case's dtype holds, whatever dtype the output has: all runs have the same.
        """
        rng = np.random.default_rng(self.seed + 1)

        def draw(leaf: Any) -> Any:
            if not floating(leaf):
                return None
            return np.asarray(rng.standard_normal(leaf.shape), self.dtype).astype(leaf.dtype)

        return map_tree(draw, output)

    def replay(self) -> None:
        """Let our module draw, from the start, what torch's drew."""
        set_rng(self.ours, Tape(self.tape.draws))

    def forward(self) -> tuple[Any, Any]:
        self.replay()
        return self.ours(*self.inputs, **self.options)

    def referee(self) -> Built:
        """The same case with the same values and draws, computed by our code in float64."""
        referee = copy.copy(self)
        referee.ours = copy.deepcopy(self.ours).double()
        referee.ours.zero_grad()
        referee.inputs, referee.options = cast(self.inputs, np.float64), cast(self.options, np.float64)
        referee.ours.load_state_dict(cast(self.state, np.float64))
        return referee

    def results(self, wrap: Callable[[Any], Any]) -> dict[str, Array]:
        """Output, gradients and buffers by name, floating ones alone, all of what goes in passed through `wrap`."""

        def wrapped(tree: Any) -> Any:
            return map_tree(lambda leaf: wrap(leaf) if floating(leaf) else leaf, tree)

        module = copy.deepcopy(self.ours)
        for parameter in module.parameters():
            parameter.data = wrap(parameter.data)
        for child in module.modules():
            for name, buffer in list(child.own_buffers()):
                setattr(child, name, wrapped(buffer))
        set_rng(module, Tape(self.tape.draws))
        output, backward = module(*wrapped(self.inputs), **wrapped(self.options))
        dinputs = backward(wrapped(cast(self.upstream(output), np.float64)))
        named = Result(
            output,
            list(dinputs) if isinstance(dinputs, tuple) else [dinputs],
            {n: p.grad for n, p in module.named_parameters()},
            dict(module.named_buffers()),
        ).named()
        return {name: value for name, value in named.items() if floating(value)}

    def run_ours(self) -> Result:
        output, backward = self.forward()
        dinputs = backward(self.upstream(output))
        return Result(
            output,
            list(dinputs) if isinstance(dinputs, tuple) else [dinputs],
            {n: p.grad for n, p in self.ours.named_parameters()},
            dict(self.ours.named_buffers()),
        )


class Result:
    """An output, the gradients of the floating inputs in call order, those of the parameters, and the buffers."""

    def __init__(self, output: Any, dinputs: list[Any], dparameters: dict[str, Any], buffers: dict[str, Any]) -> None:
        self.output, self.dinputs, self.dparameters, self.buffers = output, dinputs, dparameters, buffers

    def named(self) -> dict[str, Any]:
        named = {f"output{name}": leaf for name, leaf in leaves(self.output)}
        named |= {f"gradient of input {i}": gradient for i, gradient in enumerate(self.dinputs)}
        named |= {f"gradient of {name}": gradient for name, gradient in self.dparameters.items()}
        return named | {f"buffer {name}": buffer for name, buffer in self.buffers.items()}


def leaves_or_none(tree: Any, like: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of `tree`, with None for those leaves that `like` has and `tree` has not."""
    found = dict(leaves(tree))
    return ((name, found.get(name)) for name, _ in leaves(like))


# --- comparing --------------------------------------------------------------------------------------------------------


def assert_close(name: str, actual: Any, expected: Any, limit: Any, where: str) -> None:
    """Equal shape, equal places of nan and infinities, and every difference within `limit`."""
    if expected is None or actual is None:
        zero = actual is None and (expected is None or not np.any(expected))
        assert zero or (expected is None and not np.any(actual)), f"{where}: {name}: {actual} instead of {expected}"
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{where}: {name}: shape {actual.shape} instead of {expected.shape}"
    if not floating(expected):
        wrong = actual != expected
        error = np.abs(actual.astype(np.int64) - expected.astype(np.int64)) if wrong.any() else 0
    else:
        with np.errstate(invalid="ignore"):
            error = np.abs(actual - expected)
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        wrong = ~same & ~(error <= limit)
    if np.any(wrong):
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        allowed = np.broadcast_to(limit, wrong.shape)[index]
        raise AssertionError(
            f"{where}: {name}: {int(np.sum(wrong))} of {wrong.size} entries are wrong; first at {index}: "
            f"{actual[index]!r} instead of {expected[index]!r}, "
            f"error {np.asarray(error)[index]:.3g}, bound {allowed:.3g}"
        )


def largest(array: Array) -> float:
    """The largest finite entry."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def gradient_scale(result: Result) -> float:
    """The largest finite gradient of a step: what the terms of a sum that cancels can be as large as."""
    return max((largest(g) for g in result.named().values() if floating(g)), default=0.0)


# --- the checks -------------------------------------------------------------------------------------------------------


def equals_torch_in_float64(case: Case) -> None:
    """Catches any wrong formula: output, every gradient and every buffer equal torch's to rounding."""
    built = Built(case, np.float64)
    expected = built.run_theirs().named()
    with absent_stays_absent():
        actual = built.run_ours().named()
    assert actual.keys() == expected.keys(), f"{case.name}: {sorted(actual)} instead of {sorted(expected)}"
    _, spread = rounding_spread(built.referee().results, np.float64)
    for name, array in expected.items():
        limit = MARGIN * spread[name] + TINY if name in spread else 0.0
        assert_close(name, actual[name], array, limit, f"{case.name} (float64, seed {built.seed})")
    gradients_fit_their_arrays(built, actual)

    parts_of_the_upstream_may_be_absent(built)
    input_gradients_may_be_skipped(built)


def gradients_fit_their_arrays(built: Built, results: dict[str, Any]) -> None:
    """Catches a NumPy scalar, and a gradient of another shape or dtype than its array's, also where torch has none."""
    scalars = [name for name, result in results.items() if isinstance(result, np.generic)]
    assert not scalars, f"{built.case.name}: NumPy scalars, not arrays: {scalars}"
    inputs = [leaf for _, leaf in leaves((built.inputs, built.options)) if floating(leaf)]
    arrays = {f"gradient of input {i}": array for i, array in enumerate(inputs)}
    arrays |= {f"gradient of {name}": p.data for name, p in built.ours.named_parameters()}
    for name, array in arrays.items():
        if (gradient := results.get(name)) is not None:
            found, wanted = (gradient.shape, gradient.dtype), (array.shape, array.dtype)
            assert found == wanted, f"{built.case.name}: {name}: {found} instead of {wanted}"


def input_gradients_may_be_skipped(built: Built) -> None:
    """Catches parameters' gradients that depend on whether those of the inputs are asked for, too."""
    if next(built.ours.parameters(), None) is None:
        return
    gradients = []
    for skip in (True, False):
        built.ours.skip_input_grad(skip)
        output, backward = built.forward()
        built.ours.zero_grad()
        backward(built.upstream(output))
        gradients.append({n: p.grad for n, p in built.ours.named_parameters()})
    for name, gradient in gradients[1].items():
        limit = bound(gradient_scale(Result(None, [], gradients[1], {})), np.dtype(np.float64))
        assert_close(f"gradient of {name}", gradients[0][name], gradient, limit, f"{built.case.name}, inputs skipped")


def parts_of_the_upstream_may_be_absent(built: Built) -> None:
    """Catches a backward that needs a gradient for every output: None for one counts as zeros, and a loss's as 1."""
    output, backward = built.forward()
    doutput = built.upstream(output)
    parts = [name for name, leaf in leaves(output) if floating(leaf)]

    def gradients(*upstream: Any) -> dict[str, Any]:
        built.ours.zero_grad()
        with np.errstate(all="ignore"):
            dinputs = backward(*upstream)
        dinputs = list(dinputs) if isinstance(dinputs, tuple) else [dinputs]
        return Result(None, dinputs, {n: p.grad for n, p in built.ours.named_parameters()}, {}).named()

    pairs = []
    if len(parts) > 1:
        for part in parts:
            pairs.append((gradients(without(doutput, part)), gradients(without(doutput, part, zeros=True))))
    elif getattr(built.ours, "reduction", "none") != "none":
        pairs.append((gradients(), gradients(np.ones_like(output))))
    for given, stated in pairs:
        for name, array in stated.items():
            limit = bound(gradient_scale(Result(None, list(stated.values()), {}, {})), np.dtype(np.float64), 0.0)
            assert_close(name, given[name], array, limit, f"{built.case.name}, a part of the upstream gradient absent")


def without(tree: Any, part: str, name: str = "", zeros: bool = False) -> Any:
    """`tree` with None (or zeros) for the leaf of this name, as `leaves` names them."""
    if name == part:
        return np.zeros_like(tree) if zeros else None
    if hasattr(tree, "_fields"):
        return type(tree)(*(without(value, part, f"{name}[{i}]", zeros) for i, value in enumerate(tree)))
    if isinstance(tree, tuple | list):
        return type(tree)(without(value, part, f"{name}[{i}]", zeros) for i, value in enumerate(tree))
    return tree


@contextmanager
def absent_stays_absent() -> Iterator[None]:
    """Within this context a function that returns a gradient for an absent or integer argument fails."""
    kept = torchref.nn.module.bind
    holders = [m for name, m in sys.modules.items() if name.startswith("torchref.nn") and hasattr(m, "bind")]

    def strict_bind(function: Any, *arrays: Any, **options: Any) -> Any:
        def strict(*values: Any, **named: Any) -> Any:
            output, backward = function(*values, **named)

            def strict_backward(*doutput: Any) -> Any:
                gradients = backward(*doutput)
                for value, gradient in zip(values, gradients if len(values) > 1 else (gradients,), strict=True):
                    assert floating(value) or gradient is None, f"a gradient for {value!r}"
                return gradients

            return output, strict_backward

        return kept(strict, *arrays, **options)

    for holder in holders:
        holder.bind = strict_bind  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for holder in holders:
            holder.bind = kept  # type: ignore[attr-defined]


def float32_is_explained_by_rounding(case: Case) -> None:
    """Catches a result that leaves float32, or loses more than float32 must: judged by float64 at the same inputs.

    torch's float32 result must lie within the bound as well: if it did not, the bound would mean nothing.
    """
    built = Built(case, np.float32)
    theirs, ours = built.run_theirs().named(), built.run_ours().named()
    exact, spread = rounding_spread(built.referee().results, np.float32)
    where = f"{case.name} (float32, seed {built.seed})"
    for name, array in ours.items():
        if not floating(array) or name not in spread:
            continue
        their = np.zeros(array.shape, np.float32) if theirs[name] is None else theirs[name]
        assert array.dtype == their.dtype, f"{where}: {name} has dtype {array.dtype}, not {their.dtype}"
        assert_close(f"what is finite of {name}", np.isfinite(array), np.isfinite(their), 0.0, where)
        finite = np.isfinite(array) & np.isfinite(exact[name])  # float32 overflows where float64 does not
        for engine, result in (("", array), ("torch's ", their)):
            result = np.where(finite, result, 0.0)
            limit = MARGIN * spread[name] + TINY
            assert_close(f"{engine}{name}", result, np.where(finite, exact[name], 0.0), limit, where)


def float16_is_rounded_once(case: Case) -> None:
    """Catches float16 that overflows, underflows or loses more than it must, and float16 where torch refuses it.

    Each result is the exact one rounded to float16, or its neighbour, but for what float32 loses inside; a module of
    several parts rounds between these, as torch does, and is held by the spread of rounding in float16. What is
    infinite, and what is not, is the same as of the exact result.
    """
    built = Built(case, np.float16)
    where = f"{case.name} (float16, seed {built.seed})"
    try:
        theirs = built.run_theirs().named()
    except NotImplementedError:
        built.tape = Tape([])
        with pytest.raises(NotImplementedError):
            built.run_ours()
        return
    ours = built.run_ours().named()
    exact, spread = rounding_spread(built.referee().results, np.float32, samples=3)
    in_parts = len(list(built.ours.modules())) > 1 or case.module in HOOKED or "padding_mode" in case.kwargs
    _, coarse = rounding_spread(built.referee().results, np.float16, samples=3) if in_parts else (exact, spread)
    largest_half = float(np.finfo(np.float16).max)
    for name, array in ours.items():
        if not floating(array) or name not in spread:
            continue
        dtype = np.float16 if theirs[name] is None else theirs[name].dtype
        assert array.dtype == dtype, f"{where}: {name} has dtype {array.dtype}, not {dtype}"
        if array.dtype != np.float16:  # integers' quotients and float_power have a dtype of their own
            continue
        with np.errstate(over="ignore"):
            expected = exact[name].astype(np.float16).astype(np.float64)
        limit = 2.0**-10 * np.abs(expected) + 2.0**-24 + MARGIN * coarse[name]
        near = np.abs(np.abs(exact[name]) - largest_half) <= 64 + MARGIN * coarse[name]  # it may round either way
        assert_close(name, np.where(near, 0, array.astype(np.float64)), np.where(near, 0, expected), limit, where)


class Witnessed(NamedTuple):
    """What a witness has been asked: how many entries of Jacobians and of gradients, and whether these were all."""

    entries: int = 0
    whole: bool = False


def agrees_with_a_witness_without_torch(case: Case, whole: int = 0) -> Witnessed:
    """Catches what torch and we would get wrong alike: complex step where smooth, else differences.

    For a random upstream gradient, and entry by entry of the Jacobian: all of it if neither its rows nor its columns
    are more than `whole`, else some.
    """
    if not case.witness:
        return Witnessed()
    built = Built(case, np.float64)
    built.run_theirs()
    ours = built.run_ours()
    output, backward = built.forward()
    if not any(floating(leaf) for _, leaf in leaves(output)):
        return Witnessed()
    doutput = built.upstream(output)
    rng = np.random.default_rng(built.seed + 2)
    size = sum(leaf.size for _, leaf in leaves(output) if floating(leaf))
    columns = sum(leaf.size for _, leaf in leaves((built.inputs, built.options)) if floating(leaf))
    columns += sum(p.data.size for p in built.ours.parameters())
    is_whole = max(size, columns) <= whole
    rows = rng.permutation(size)[: size if is_whole else ROWS]  # of the Jacobian
    jacobian = []
    for row in rows:
        built.ours.zero_grad()
        dinputs = backward(one_hot(output, int(row)))
        dinputs = list(dinputs) if isinstance(dinputs, tuple) else [dinputs]
        jacobian.append(Result(None, dinputs, {n: p.grad for n, p in built.ours.named_parameters()}, {}).named())
    upstream = np.concatenate(
        [
            np.zeros(leaf.size) if dleaf is None else dleaf.ravel()
            for (_, leaf), (_, dleaf) in zip(leaves(output), leaves_or_none(doutput, output), strict=True)
            if floating(leaf)
        ]
    )
    if case.smooth:
        built.ours.to(np.complex128)
        built.inputs, built.options = cast(built.inputs, np.complex128), cast(built.options, np.complex128)
    input_arrays = [leaf for _, leaf in leaves((built.inputs, built.options)) if floating(leaf)]
    tensors = {f"gradient of input {i}": array for i, array in enumerate(input_arrays) if i not in case.constants}
    tensors |= {f"gradient of {name}": p.data for name, p in built.ours.named_parameters()}
    stated = ours.named()

    def entries() -> Array:
        y, _ = built.forward()
        return np.concatenate([leaf.ravel() for _, leaf in leaves(y) if floating(leaf)])

    scale = gradient_scale(ours)
    limit = (1e-12 if case.smooth else 1e-8) * max(scale, 1.0)
    compared = 0
    for name, array in tensors.items():
        picked = rng.permutation(array.size)[: array.size if is_whole else ENTRIES]
        places = [tuple(int(i) for i in np.unravel_index(k, array.shape)) for k in picked]
        derivative = complex_step if case.smooth else differences
        slopes = np.array([derivative(entries, array, place) for place in places]).reshape(len(places), size)
        for said, seen in ((stated, slopes @ upstream), *zip(jacobian, slopes.T[rows], strict=True)):
            gradient = np.zeros(array.shape) if said[name] is None else said[name]
            values = np.array([gradient[place] for place in places])
            assert_close(f"{name} at {places}", values, seen, limit, f"{case.name} (seed {built.seed})")
            compared += len(places)
    return Witnessed(compared, is_whole and compared > 0)


def differences(function: Callable[[], Any], array: Array, place: tuple[int, ...]) -> Array:
    """Richardson's differences; where two steps disagree, the wide one reaches over a kink: the narrow one's."""
    wide, narrow = (richardson(function, array, place, step) for step in (4e-4, 1e-5))
    return np.where(np.abs(wide - narrow) <= 1e-8 * (1 + np.abs(narrow)), wide, narrow)


def one_hot(output: Any, entry: int) -> Any:
    """An upstream gradient of 1 for one entry, counted through the floating parts of `output`, and 0 for the others."""
    count = 0

    def draw(leaf: Any) -> Any:
        nonlocal count
        if not floating(leaf):
            return None
        flat = np.zeros(leaf.size, leaf.dtype)
        if count <= entry < count + leaf.size:
            flat[entry - count] = 1.0
        count += leaf.size
        return flat.reshape(leaf.shape)

    return map_tree(draw, output)


def freeze(leaf: Any) -> Any:
    """The leaf, which refuses to be written to from now on."""
    if isinstance(leaf, np.ndarray):
        leaf.flags.writeable = False
    return leaf


def nothing_is_mutated(case: Case) -> None:
    """Catches a write into an argument, a parameter, an output or a captured array: all of them are read-only here.

    Also: backward twice gives the same answer and adds to the parameters' gradients; two forwards may be followed by
    their backwards in either order; a zero upstream gradient gives zero.
    """
    built = Built(case, np.float64)
    built.run_theirs()
    first = built.run_ours().named()
    built.ours.zero_grad()

    map_tree(freeze, (built.inputs, built.options))
    for parameter in built.ours.parameters():
        freeze(parameter.data)
    for module in built.ours.modules():

        def frozen_forward(*args: Any, forward: Any = module.forward, **kwargs: Any) -> Any:
            output, backward = forward(*args, **kwargs)
            return map_tree(freeze, output), lambda *dy: map_tree(freeze, backward(*dy))

        module.forward = frozen_forward
    output_1, backward_1 = built.forward()
    doutput = map_tree(freeze, built.upstream(output_1))
    _, backward_2 = built.forward()
    grads = []
    for backward in (backward_2, backward_1, backward_1):
        built.ours.zero_grad()
        dinputs = backward(doutput)
        grads.append(
            (
                dinputs if isinstance(dinputs, tuple) else (dinputs,),
                {n: p.grad for n, p in built.ours.named_parameters()},
            )
        )
    for dinputs, dparameters in grads:
        again = {f"gradient of input {i}": g for i, g in enumerate(dinputs)}
        again |= {f"gradient of {n}": g for n, g in dparameters.items()}
        for name, array in again.items():
            assert_close(name, array, first[name], 0.0, f"{case.name} repeated (seed {built.seed})")
    backward_1(doutput)
    for name, parameter in built.ours.named_parameters():
        once = first[f"gradient of {name}"]
        twice = None if once is None else 2 * once
        assert_close(f"accumulated gradient of {name}", parameter.grad, twice, 0.0, case.name)

    zero = map_tree(lambda leaf: np.zeros_like(leaf) if floating(leaf) else None, output_1)
    if all(np.isfinite(g).all() for g in first.values() if floating(g)):
        dinputs = backward_1(zero)
        for i, gradient in enumerate(dinputs if isinstance(dinputs, tuple) else (dinputs,)):
            assert gradient is None or not np.any(gradient), f"{case.name}: input {i}: not zero for a zero upstream"


def looks_like_torch(case: Case) -> None:
    """Catches another constructor signature, other attribute names or shapes in state_dict, another repr."""
    ours, theirs = stands(torchref.nn, case.module), stands(torch.nn, case.module)
    if inspect.isclass(ours):
        assert signature(ours) == signature(theirs), f"{case.module}: {signature(ours)} instead of {signature(theirs)}"
    built = Built(case, np.float64)
    state = {name: tuple(value.shape) for name, value in built.theirs.state_dict().items()}
    assert {name: value.shape for name, value in built.ours.state_dict().items()} == state
    assert list(built.ours.state_dict()) == list(state), f"{case.module}: the order of state_dict differs"
    assert [n for n, _ in built.ours.named_modules()] == [n for n, _ in built.theirs.named_modules()]
    assert repr(built.ours) == repr(built.theirs)


def signature(module: type) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of every constructor argument; arrays, dtypes and callables by their name.

    Where torch's constructor is `*args, **kwargs`, its first overload says what these are.
    """
    constructor: Any = module.__init__
    if module.__init__ is not object.__init__:
        constructor = (get_overloads(constructor) or [constructor])[0]
    parameters = inspect.signature(constructor).parameters.values()
    return [(p.name, p.kind, getattr(p.default, "__name__", p.default)) for p in list(parameters)[1:]]


def predict_is_evaluation_mode(case: Case) -> None:
    """Catches a `predict` that trains, draws or leaves another mode behind."""
    built = Built(case, np.float64)
    inputs, options = tensors(built.inputs), tensors(built.options)
    before = built.ours.state_dict()
    built.theirs.eval()
    torch.manual_seed(SEED)
    with record_draws() as built.tape, torch.no_grad():
        expected = built.theirs(*inputs, **options)
    built.replay()
    output = built.ours.predict(*built.inputs, **built.options)
    for (name, actual), (_, leaf) in zip(leaves(output), leaves(expected), strict=True):
        array = leaf.numpy() if torch.is_tensor(leaf) else np.asarray(leaf)
        limit = bound(largest(array), np.dtype(np.float64), 1.0) if floating(array) else 0.0
        assert_close(f"output{name}", actual, array, limit, f"{case.name} predict (seed {built.seed})")
    assert all(module.training is case.training for module in built.ours.modules()), f"{case.name}: the mode changed"
    for name, array in built.ours.state_dict().items():
        assert_close(name, array, before[name], 0.0, f"{case.name} predict changed the state")


# --- memory order -----------------------------------------------------------------------------------------------------


def map_named(function: Callable[[str, Any], Any], tree: Any, name: str) -> Any:
    """`tree` with `function(name, leaf)` for every leaf, the indices of a packed sequence among them."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: map_named(function, value, f"{name}.{key}") for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        values = (map_named(function, value, f"{name}[{i}]") for i, value in enumerate(tree))
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return function(name, tree)


Plan = dict[str, Layout]  # by the array's name how it is laid out; an array that is not named stays in C order


class LaidOut:
    """A case whose arrays can be laid out in memory in any way: what goes in by name, and a run of our module."""

    def __init__(self, built: Built) -> None:
        """The tape of `built` is there: torch's draws are replayed."""
        self.built, module = built, built.ours
        self.parameters = [(p, f"parameter {name}", p.data) for name, p in module.named_parameters()]
        modules = list(module.named_modules())
        self.attributes = [(m, f"buffer {path}.{name}", name, b) for path, m in modules for name, b in m.own_buffers()]
        self.attributes += [(m, f"option {path}", "options", m.options) for path, m in modules if isinstance(m, Call)]
        self.arrays: dict[str, Array] = {}
        self.expected = self.results({})  # all arrays in C order

    def results(self, plan: Plan) -> dict[str, Any]:
        """Output, gradients and buffers by name; each array is laid out as planned, and refuses to be written to."""

        def lay_out(name: str, leaf: Any) -> Any:
            if not isinstance(leaf, np.ndarray):
                return leaf
            array = np.array(leaf, order="C")
            self.arrays.setdefault(name, array)
            array = plan[name](array) if name in plan else array
            array.flags.writeable = False
            return array

        built, module = self.built, self.built.ours
        for parameter, name, data in self.parameters:
            parameter.data = lay_out(name, data)
        for child, name, attribute, value in self.attributes:
            setattr(child, attribute, map_named(lay_out, value, name))
        module.zero_grad()
        built.replay()
        options = {name: map_named(lay_out, value, f"option {name}") for name, value in built.options.items()}
        output, backward = module(*map_named(lay_out, built.inputs, "input"), **options)
        dinputs = backward(map_named(lay_out, built.upstream(output), "upstream gradient"))
        return Result(
            output,
            list(dinputs) if isinstance(dinputs, tuple) else [dinputs],
            {name: p.grad for name, p in module.named_parameters()},
            dict(module.named_buffers()),
        ).named()

    def restore(self) -> None:
        """The module's own arrays, where they were."""
        for parameter, _, data in self.parameters:
            parameter.data = data
        for module, _, attribute, value in self.attributes:
            setattr(module, attribute, value)

    def plans(self, every: bool) -> Iterator[tuple[str, Plan, Plan | None]]:
        """What to say of it, a plan, and the plan with the same values in C order (None: `expected` has them).

        All arrays together, the k-th layout of each; each array alone in each of its layouts; each floating one
        repeated along its first axis by stride 0, and the upstream gradient along each axis and along all.
        """
        ways = {name: layouts(array, every) for name, array in self.arrays.items()}
        for k in range(max((len(way) for way in ways.values()), default=0)):
            chosen = {name: list(way.items())[k % len(way)] for name, way in ways.items() if way}
            said = ", ".join(f"{name}: {layout}" for name, (layout, _) in chosen.items())
            yield said, {name: lay_out for name, (_, lay_out) in chosen.items()}, None
        for name, way in ways.items():
            for layout, lay_out in way.items():
                yield f"{name}: {layout}", {name: lay_out}, None
        for name, array in self.arrays.items():
            axes = [(axis,) for axis in range(array.ndim) if array.shape[axis] > 1 and floating(array)]
            if not name.startswith("upstream gradient"):  # equal rows: along others the data may lose its variance
                axes = axes[:1]
            for repeated in dict.fromkeys([*axes, *([sum(axes, ())] if axes else [])]):
                lay_out = constant_along(repeated)
                in_c_order: Plan = {name: lambda array, lay_out=lay_out: np.array(lay_out(array), order="C")}
                yield f"{name}: repeated along axes {repeated} by stride 0", {name: lay_out}, in_c_order


def memory_order_does_not_matter(case: Case, every: bool = False, dtype: Any = np.float64) -> int:
    """Catches what depends on the order of any array in memory: input, option, parameter, buffer, upstream gradient.

    Our result in each layout (tests/layouts.py; `every`: all permutations of axes, not a covering set) is compared with
    our result in C order, to rounding alone (`bound`: 2^13 u of a tensor's largest entry, 64 u of the largest of all):
    a product takes another way through BLAS. What is lost, or read from a wrong place, is off by its own size.
    Returns the number of layouts that were judged.
    """
    built = Built(case, dtype)
    if any(hasattr(module, "rng") for module in built.ours.modules()):
        built.run_theirs()
    else:
        built.tape = Tape([])
    return judge_layouts(LaidOut(built), every)


def judge_layouts(laid_out: LaidOut, every: bool = False) -> int:
    """The check itself, for a case that stands ready and is left as it was."""
    built, judged = laid_out.built, 0
    try:
        for said, plan, in_c_order in laid_out.plans(every):
            expected = laid_out.expected if in_c_order is None else laid_out.results(in_c_order)
            known = (*expected.values(), *laid_out.expected.values())
            scale = max((largest(array) for array in known if floating(array)), default=0.0)
            where = f"{built.case.name} ({built.dtype}, seed {built.seed}), {said}"
            for name, array in laid_out.results(plan).items():
                wanted = expected[name]
                limit = bound(largest(wanted), built.dtype, scale) if floating(wanted) else 0.0
                assert_close(name, array, wanted, limit, where)
            judged += 1
    finally:
        laid_out.restore()
    return judged


CHECKS = [
    equals_torch_in_float64,
    float32_is_explained_by_rounding,
    float16_is_rounded_once,
    agrees_with_a_witness_without_torch,
    nothing_is_mutated,
    looks_like_torch,
    predict_is_evaluation_mode,
    memory_order_does_not_matter,
]
