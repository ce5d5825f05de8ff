"""No network of torchref.models depends on the order of its data or its parameters in memory."""

from __future__ import annotations

import numpy as np
import pytest

import torchref
from tests.layouts import Layout, layouts
from tests.models.zoo import ZOO
from torchref.check.tolerance.bound import bound
from torchref.compare.lockstep.twins import outputs_of
from torchref.nn.random import set_rng

SEED = 7


@pytest.mark.parametrize("name", ZOO)
def test_the_order_of_memory_does_not_matter(name: str) -> None:
    """Catches a gradient that is lost between two layers: data, targets and parameters are laid out in every way."""
    chosen = ZOO[name]
    data = chosen.data().astype(np.dtype(np.float64))
    x, target = data.train_inputs[:3], data.train_targets[:3]
    torchref.manual_seed(SEED)
    model, criterion = chosen.model(torchref.nn).double(), chosen.loss(torchref.nn).double()
    start = {parameter: parameter.data for parameter in model.parameters()}

    def step(of_data: Layout, of_targets: Layout, number: int | None) -> dict[str, np.ndarray]:
        """One step, each parameter in its own layout of this number (None: C order)."""
        for parameter, array in start.items():
            ways = [] if number is None else list(layouts(array).values())
            parameter.data = ways[number % len(ways)](array) if ways else array
        set_rng(model, np.random.default_rng(SEED))
        model.zero_grad()
        output, backward = model(of_data(x))
        loss, loss_backward = criterion(*outputs_of(output), of_targets(target))
        doutput = loss_backward()
        if isinstance(output, tuple):
            backward(doutput[: len(output)])
        else:
            backward(doutput[0] if isinstance(doutput, tuple) else doutput)
        return {"loss": np.asarray(loss)} | {n: p.grad for n, p in model.named_parameters()}

    def same(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array)

    expected = step(same, same, None)
    scale = max(np.abs(gradient).max() for gradient in expected.values())
    plans = [(f"data: {layout}", lay_out, same, None) for layout, lay_out in layouts(x).items()]
    plans += [(f"targets: {layout}", same, lay_out, None) for layout, lay_out in layouts(target).items()]
    plans += [(f"parameters: number {k}", same, same, k) for k in range(max(len(layouts(a)) for a in start.values()))]
    for said, of_data, of_targets, number in plans:
        for key, gradient in step(of_data, of_targets, number).items():
            limit = bound(np.abs(expected[key]).max(), np.dtype(np.float64), scale)
            error = np.abs(gradient - expected[key])
            place = np.unravel_index(error.argmax(), error.shape)
            assert error.max() <= limit, f"{name}, seed {SEED}, {said}: {key}{place} is off by {error.max():.3g}"
