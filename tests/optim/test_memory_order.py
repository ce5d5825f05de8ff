"""No optimizer depends on the order of a parameter or of a gradient in memory (tests/layouts.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import torchref
from tests.layouts import Layout, constant_along, layouts
from tests.optim.test_optimizers import ALL
from torchref.check.tolerance.bound import bound
from torchref.nn import Linear, Parameter, Sequential
from torchref.optim import inplace, swa_utils
from torchref.optim.sparse_adam import SparseGradient

STEPS = 3
SEED = 33
BFLOAT16 = 2.0**-6  # Muon's own precision: the order of a sum decides the last bit
MUON = [pytest.param("Muon", {"lr": 0.1, "nesterov": nesterov}, id=f"Muon-{nesterov}") for nesterov in (True, False)]
LBFGS = [
    pytest.param("LBFGS", {"lr": 0.3, "line_search_fn": search}, id=f"LBFGS-{search}")
    for search in (None, "strong_wolfe")
]


def in_c_order(array: np.ndarray) -> np.ndarray:
    return np.array(array, order="C")


def pairs(array: np.ndarray) -> Iterator[tuple[str, Layout, Layout]]:
    """How the parameter and the gradient are laid out: both, the one alone, the other alone, a repeated gradient."""
    for name, lay_out in layouts(array).items():
        yield f"both: {name}", lay_out, lay_out
        yield f"parameter: {name}", lay_out, in_c_order
        yield f"gradient: {name}", in_c_order, lay_out


def trained(name: str, options: dict[str, Any], lay_parameter: Layout, lay_gradient: Layout) -> dict[str, np.ndarray]:
    """The parameter and the optimizer's state after some steps."""
    rng = np.random.default_rng(SEED)
    shape = (5, 7) if name == "Muon" else (3, 2, 5)
    start = lay_parameter(rng.standard_normal(shape))
    start.flags.writeable = True
    parameter = Parameter(start)
    optimizer = getattr(torchref.optim, name)([parameter], **options)
    target = rng.standard_normal(shape)

    def closure() -> float:
        gradient = parameter.data - target
        parameter.grad = lay_gradient(np.ascontiguousarray(gradient))
        parameter.grad.flags.writeable = False
        return 0.5 * float((gradient**2).sum())

    for _ in range(STEPS):
        if name == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    assert parameter.data is start, f"{name} replaced the parameter's array"
    state = {
        key: np.asarray(value) for key, value in optimizer.state[parameter].items() if isinstance(value, np.ndarray)
    }
    return {"parameter": parameter.data} | state


@pytest.mark.parametrize("block", [inplace.BLOCK_BYTES, 64], ids=["whole", "in blocks"])
@pytest.mark.parametrize(("name", "options"), [*ALL, *MUON, *LBFGS])
def test_the_order_of_memory_does_not_matter(
    name: str, options: dict[str, Any], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an update that is lost in a copy, or pairs an entry with another one's gradient or state."""
    monkeypatch.setattr(inplace, "BLOCK_BYTES", block)

    def judge(said: str, result: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
        assert result.keys() == expected.keys()
        for key, array in expected.items():
            largest = np.abs(array).max()
            limit = BFLOAT16 * largest if name == "Muon" else bound(largest, np.dtype(np.float64), 1.0)
            error = np.abs(result[key] - array)
            where = f"{name} {options}, seed {SEED}, {said}: {key}{np.unravel_index(error.argmax(), error.shape)}"
            assert error.max() <= limit, f"{where} is off by {error.max():.3g}, bound {limit:.3g}"

    expected = trained(name, options, in_c_order, in_c_order)
    for said, lay_parameter, lay_gradient in pairs(expected["parameter"]):
        judge(said, trained(name, options, lay_parameter, lay_gradient), expected)
    for axes in ((0,), (1,), (0, 1)):
        repeat = constant_along(axes)
        expected = trained(name, options, in_c_order, lambda gradient, repeat=repeat: in_c_order(repeat(gradient)))
        judge(f"gradient repeated along {axes}", trained(name, options, in_c_order, repeat), expected)


def test_sparse_gradients() -> None:
    """Catches indices or values of a sparse gradient that are read in memory order."""
    rng = np.random.default_rng(SEED)
    start, indices, values = rng.standard_normal((7, 3)), rng.integers(0, 7, (1, 11)), rng.standard_normal((11, 3))

    def trained_sparsely(lay_parameter: Layout, lay_indices: Layout, lay_values: Layout) -> np.ndarray:
        parameter = Parameter(lay_parameter(start))
        optimizer = torchref.optim.SparseAdam([parameter], lr=0.1)
        for _ in range(STEPS):
            parameter.grad = SparseGradient(lay_indices(indices), lay_values(values), start.shape)  # type: ignore[assignment]
            np.testing.assert_allclose(parameter.grad.to_dense(), dense, rtol=1e-14, err_msg=f"seed {SEED}")
            optimizer.step()
        return parameter.data

    dense = SparseGradient(indices, values, start.shape).to_dense()
    expected = trained_sparsely(in_c_order, in_c_order, in_c_order)
    for name, lay_out in layouts(start).items():
        for k in range(3):
            if k == 1 and "axes" in name:  # there is one row of indices
                continue
            chosen = [lay_out if i == k else in_c_order for i in range(3)]
            np.testing.assert_allclose(trained_sparsely(*chosen), expected, rtol=1e-13, err_msg=f"seed {SEED}, {name}")


def test_averaged_weights() -> None:
    """Catches an average that is taken over entries of different places."""
    rng = np.random.default_rng(SEED)
    weights = [rng.standard_normal((3, 5)) for _ in range(STEPS)]

    def averaged(lay_out: Layout) -> np.ndarray:
        model = Sequential(Linear(5, 3, dtype=np.float64))
        model[0].weight.data = lay_out(weights[0])
        average = swa_utils.AveragedModel(model)
        for weight in weights:
            model[0].weight.data = lay_out(weight)
            average.update_parameters(model)
        return average.module[0].weight.data

    for name, lay_out in layouts(weights[0]).items():
        np.testing.assert_allclose(averaged(lay_out), averaged(in_c_order), rtol=1e-15, err_msg=f"seed {SEED}, {name}")


def test_a_parameter_whose_entries_share_their_memory() -> None:
    """Catches a step that is taken several times by one number: torch refuses it, too."""
    shared = np.lib.stride_tricks.as_strided(np.ones(5), (3, 5), (0, 8))
    parameter = Parameter(shared)
    parameter.grad = np.ones((3, 5))
    with pytest.raises(RuntimeError, match=r"SGD: entries of a parameter of shape \(3, 5\) share their memory"):
        torchref.optim.SGD([parameter]).step()
    assert np.array_equal(shared, np.ones((3, 5)))
