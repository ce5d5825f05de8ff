"""The same work in other libraries: JAX (compiled), autograd and MyGrad, where they have the operation.

`PEERS[workload][library]()` gives a step, as `workloads.py` gives one for NumPy and for torch: the same sizes, float32,
the same gradients. The formulas are written once, over the NumPy of each library; `pip install -e .[peers]` has them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks.workloads import Step, integers, normal

Formula = Callable[..., Any]  # a scalar of (xp, *arrays); `xp` is the library's NumPy
LIBRARIES = ("jax", "autograd", "mygrad")


def step_of(library: str, formula: Formula, arrays: tuple[np.ndarray, ...], data: tuple[np.ndarray, ...]) -> Step:
    """Forward and backward of `formula(xp, *arrays, *data)`: the gradient of every one of `arrays`."""
    places = tuple(range(len(arrays)))
    if library == "jax":
        import jax

        # Data are arguments too: what depends on constants alone would be computed by the compiler, once.
        compiled = jax.jit(jax.value_and_grad(lambda *a: formula(jax.numpy, *a), argnums=places))
        return lambda: jax.block_until_ready(compiled(*arrays, *data))
    if library == "autograd":
        autograd = importlib.import_module("autograd")
        xp = importlib.import_module("autograd.numpy")
        gradient = autograd.value_and_grad(lambda *a: formula(xp, *a, *data), argnum=places)
        return lambda: gradient(*arrays)

    mygrad = importlib.import_module("mygrad")

    def step() -> Any:
        tensors = [mygrad.tensor(a, copy=False) for a in arrays]
        loss = formula(mygrad, *tensors, *data)
        loss.backward()
        return loss.item(), [t.grad for t in tensors]

    return step


def mlp(xp: Any, x: np.ndarray, target: np.ndarray, *parameters: Any) -> Any:
    """Linear layers with ReLU between them, and cross-entropy."""
    h = x
    for i in range(0, len(parameters), 2):
        h = xp.matmul(h, parameters[i]) + parameters[i + 1]
        if i + 2 < len(parameters):
            h = xp.maximum(h, 0)
    return cross_entropy(xp, h, target)


def cross_entropy(xp: Any, logits: Any, target: np.ndarray) -> Any:
    """mean_n (log sum_k exp z_nk - z_n,target), of the logits less their row's maximum."""
    z = logits - xp.max(logits, -1, keepdims=True)
    rows = np.arange(len(target))
    return xp.mean(xp.log(xp.sum(xp.exp(z), axis=-1)) - z[rows, target])


def layer_norm(xp: Any, x: Any, weight: Any, bias: Any, dy: np.ndarray, axes: Any = -1) -> Any:
    """sum dy * (weight * (x - mean) / sqrt(var + eps) + bias), over `axes`: batch norm has the others."""
    centred = x - xp.mean(x, axis=axes, keepdims=True)
    variance = xp.mean(centred * centred, axis=axes, keepdims=True)
    return xp.sum(dy * (weight * centred / xp.sqrt(variance + 1e-5) + bias))


def batch_norm(xp: Any, x: Any, weight: Any, bias: Any, dy: np.ndarray) -> Any:
    return layer_norm(xp, x, xp.reshape(weight, (1, -1, 1, 1)), xp.reshape(bias, (1, -1, 1, 1)), dy, (0, 2, 3))


def gelu(xp: Any, x: Any, dy: np.ndarray) -> Any:
    if xp.__name__ == "mygrad":
        raise NotImplementedError("it has no erf")
    if xp.__name__ == "jax.numpy":
        from jax.scipy.special import erf
    else:
        erf = importlib.import_module("autograd.scipy.special").erf
    return xp.sum(dy * (0.5 * x * (1 + erf(x * 2**-0.5))))


def max_pool(xp: Any, x: Any, dy: np.ndarray) -> Any:
    n, c, h, w = x.shape
    windows = xp.reshape(x, (n, c, h // 2, 2, w // 2, 2))
    return xp.sum(dy * xp.max(xp.max(windows, 5), 3))


def embedding(xp: Any, weight: Any, dy: np.ndarray, indices: np.ndarray) -> Any:
    return xp.sum(dy * weight[indices])


def convolution(xp: Any, x: Any, weight: Any, bias: Any, dy: np.ndarray, padding: int) -> Any:
    spatial = (1,) * (weight.ndim - 2)
    if xp.__name__ == "jax.numpy":
        from jax import lax

        y = lax.conv_general_dilated(x, weight, spatial, [(padding, padding)] * len(spatial))
    elif xp.__name__ == "mygrad":
        y = importlib.import_module("mygrad.nnet").conv_nd(x, weight, stride=spatial, padding=(padding,) * len(spatial))
    else:
        raise NotImplementedError("its convolution is scipy.signal's, for one image at a time")
    return xp.sum(dy * (y + xp.reshape(bias, (1, -1, *spatial))))


def lstm(xp: Any, x: Any, w_ih: Any, w_hh: Any, bias: Any, dy: np.ndarray) -> Any:
    """A loop over time in Python; JAX's is `lax.scan`."""
    hidden = w_hh.shape[0]

    def cell(h: Any, c: Any, x_t: Any) -> tuple[Any, Any]:
        gates = xp.matmul(x_t, w_ih) + xp.matmul(h, w_hh) + bias
        i, f, o = (1 / (1 + xp.exp(-gates[:, k * hidden : (k + 1) * hidden])) for k in (0, 1, 3))
        c = f * c + i * xp.tanh(gates[:, 2 * hidden : 3 * hidden])
        return o * xp.tanh(c), c

    h = c = np.zeros((x.shape[1], hidden), np.float32)
    if xp.__name__ == "jax.numpy":
        from jax import lax

        def body(state: Any, x_t: Any) -> Any:
            state = cell(*state, x_t)
            return state, state[0]

        return xp.sum(dy * lax.scan(body, (h, c), x)[1])
    total = 0
    for t in range(len(x)):
        h, c = cell(h, c, x[t])
        total = total + xp.sum(dy[t] * h)
    return total


def with_update(
    library: str, formula: Formula, data: tuple[np.ndarray, ...], parameters: tuple[np.ndarray, ...]
) -> Step:
    """A training step with Adam, as the library's users write it: torch's rule, on each array."""

    def update(xp: Any, gradients: Any, t: Any, p: Any, m: Any, v: Any) -> Any:
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, gradients, strict=True)]
        rate, root = 1e-3 / (1 - 0.9**t), (1 - 0.999**t) ** 0.5
        p = [a - rate * b / (xp.sqrt(c) / root + 1e-8) for a, b, c in zip(p, m, v, strict=True)]
        return p, m, v

    state: Any = (parameters, *([np.zeros_like(p) for p in parameters] for _ in range(2)))
    t = 0
    if library == "jax":
        import jax

        gradient = jax.grad(lambda p, *d: formula(jax.numpy, *d, *p))
        compiled = jax.jit(lambda t, p, m, v, *d: update(jax.numpy, gradient(list(p), *d), t, p, m, v))

    def step() -> Any:
        nonlocal state, t
        t += 1
        if library == "jax":
            state = jax.block_until_ready(compiled(float(t), *state, *data))
        else:
            _, gradients = step_of(library, lambda xp, *p: formula(xp, *data, *p), tuple(state[0]), ())()
            state = update(np, gradients, t, *state)
        return state

    return step


def mlp_large(library: str) -> Step:
    widths = (784, 512, 256, 10)
    shapes = [shape for i in range(3) for shape in ((widths[i], widths[i + 1]), (widths[i + 1],))]
    parameters = tuple(0.05 * normal(*shape) for shape in shapes)
    return with_update(library, mlp, (normal(128, 784), integers(10, 128)), parameters)


def of(
    formula: Formula, *shapes: tuple[int, ...], dy: tuple[int, ...] | None = None, data: tuple[np.ndarray, ...] = ()
) -> Callable[[str], Step]:
    """The step of a formula of arrays of `shapes`, then the upstream gradient of shape `dy`, then `data`."""
    # Small numbers, since a recurrence of large weights is chaos. dy is not x, or a norm's dx would be next to nothing.
    arrays = tuple(0.1 * normal(*shape) for shape in shapes)
    fixed = () if dy is None else (normal(*dy)[::-1].copy(),)
    return lambda library: step_of(library, formula, arrays, fixed + data)


PEERS: dict[str, Callable[[str], Step]] = {
    "MLP 784-512-256-10, batch 128, ReLU, Adam": mlp_large,
    "Conv2d(64, 64, 3), 16x64x32x32": of(
        partial(convolution, padding=1), (16, 64, 32, 32), (64, 64, 3, 3), (64,), dy=(16, 64, 32, 32)
    ),
    "LSTM, T 64, batch 32, 128 -> 256": of(lstm, (64, 32, 128), (128, 1024), (256, 1024), (1024,), dy=(64, 32, 256)),
    "layer norm 1024 x 1024": of(layer_norm, (1024, 1024), (1024,), (1024,), dy=(1024, 1024)),
    "batch norm 32 x 64 x 32 x 32": of(batch_norm, (32, 64, 32, 32), (64,), (64,), dy=(32, 64, 32, 32)),
    "cross-entropy 4096 x 1000": of(cross_entropy, (4096, 1000), data=(integers(1000, 4096),)),
    "GELU (erf), 1e6": of(gelu, (1000, 1000), dy=(1000, 1000)),
    "MaxPool2d(2), 32 x 64 x 32 x 32": of(max_pool, (32, 64, 32, 32), dy=(32, 64, 16, 16)),
    "embedding 50,000 x 256, 4,096 indices": of(
        embedding, (50_000, 256), dy=(4096, 256), data=(integers(50_000, 4096),)
    ),
    "Conv1d(64, 128, 5), 16 x 64 x 512": of(
        partial(convolution, padding=0), (16, 64, 512), (128, 64, 5), (128,), dy=(16, 128, 508)
    ),
}
