"""How tensor functions are called: numbers, several dtypes, integers, dimensions, what backward returns."""

import warnings

import numpy as np
import pytest
import torch

from tests.called import torch_function
from tests.errors import assert_same_error
from torchref import tensor

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]
X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def filled(dtype, shape):
    return np.ones(shape, dtype)


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3,), ()), ((), (3,)), ((), ())])
@pytest.mark.parametrize("other", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_promoted_as_in_torch(dtype, other, shapes):
    """Catches NumPy's promotion (float32 and int64 give float64), and a 0-d array that widens the result."""
    a, b = filled(dtype, shapes[0]), filled(other, shapes[1])
    expected = torch.mul(torch.tensor(a), torch.tensor(b)).numpy().dtype
    assert tensor.mul(a, b)[0].dtype == expected


@pytest.mark.parametrize("number", [True, 2, 0.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_take_the_arrays_dtype(dtype, number):
    """Catches a number that widens the array: only its kind counts."""
    a = filled(dtype, 3)
    for name in ("add", "mul", "div"):
        assert getattr(tensor, name)(a, number)[0].dtype == getattr(torch, name)(torch.tensor(a), number).numpy().dtype


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float16", "float32"), ("float32", "int64")])
def test_each_gradient_has_its_arrays_dtype(dtypes):
    """Catches a gradient in the dtype of the result, and one for integers."""
    a, b = (filled(dtype, 3) for dtype in dtypes)
    y, backward = tensor.mul(a, b)
    for array, gradient in zip((a, b), backward(np.ones_like(y)), strict=True):
        assert (gradient is None) if array.dtype.kind == "i" else gradient.dtype == array.dtype


REAL = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "sinc",
    "deg2rad",
    "rad2deg",
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "logit",
    "sigmoid",
    "entr",
    "i0",
    "ndtr",
    "reciprocal",
]


@pytest.mark.parametrize("name", REAL)
def test_integers_give_float32(name):
    """Catches integers that stay integers, or become float64 as NumPy's do, and a gradient of theirs."""
    x = np.array([0, 1, 1])
    y, backward = getattr(tensor, name)(x)
    expected = torch_function(name)(torch.tensor(x)).numpy()
    assert y.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert backward(np.ones_like(y)) is None


@pytest.mark.parametrize("name", ["sum", "mean", "nansum", "prod", "cumsum", "cumprod", "vector_norm"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_dtype_is_taken_before_anything_is_added(name, dtype):
    """Catches a sum that is cast when it is done, and a gradient that keeps the sum's dtype."""
    if dtype == "int64" and name in ("mean", "vector_norm"):
        return
    x = np.float32(X) + np.float32(0.25)
    dim = 1 if name in ("prod", "cumsum", "cumprod", "vector_norm") else None
    options = {} if dim is None else {"dim": dim}
    y, backward = getattr(tensor, name)(x, **options, dtype=np.dtype(dtype))
    expected = torch_function(name)(torch.tensor(x), **options, dtype=getattr(torch, dtype)).numpy()
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    if dtype != "int64":
        assert backward(np.ones_like(y)).dtype == np.float32


def test_backward_returns_one_gradient_for_each_array():
    """Catches a tuple for one array, a place for a number, a missing None for indices."""
    one = tensor.mul(X, 2.0)[1](X)
    assert isinstance(one, np.ndarray)
    assert [type(g) for g in tensor.mul(X, X)[1](X)] == [np.ndarray, np.ndarray]
    index = np.array([[0, 1, 0]])
    assert [type(g) for g in tensor.gather(X, 0, index)[1](X[:1])] == [np.ndarray, type(None)]
    assert [type(g) for g in tensor.where(X > 2, 0.0, X)[1](X)] == [type(None), np.ndarray]
    for joined in ([X, X], (X, X)):
        gradients = tensor.cat(joined)[1](np.zeros((4, 3)))
        assert isinstance(gradients, list)
        assert [type(g) for g in gradients] == [np.ndarray, np.ndarray]
    put = tensor.index_put(X, (np.array([0]),), X[0])[1](X)
    assert [type(g) for g in put] == [np.ndarray, type(None), np.ndarray]
    assert [type(g) for g in tensor.gather(X, 0, index[:, :0])[1](X[:0])] == [np.ndarray, type(None)]
    assert isinstance(tensor.repeat_interleave(X, 2)[1](np.zeros(12)), np.ndarray)
    times = tensor.repeat_interleave(X, np.array([1, 2]), 0)[1](np.zeros((3, 3)))
    assert [type(g) for g in times] == [np.ndarray, type(None)]
    assert isinstance(tensor.clamp(X, 2.0, max=3.0)[1](X), np.ndarray)
    values = tensor.max(X, 1)[0][0]
    for upstream in (values, (values, None)):
        np.testing.assert_array_equal(tensor.max(X, 1)[1](upstream), [[0, 0, 3], [0, 0, 6]])


def test_torchs_warnings():
    """Catches a silence where torch warns: of a variance of one entry, of a vector product without dim."""
    for call in (lambda n, a: n.var(a(X[:1, :1])), lambda n, a: n.cross(a(X), a(X))):
        for namespace, make in ((torch, torch.tensor), (tensor, np.array)):
            with pytest.warns(UserWarning, match=r"dim|degrees of freedom") as warned:
                call(namespace, make)
        assert warned[0].filename == __file__, "it points to the library, not to the caller"


I = np.array([0, 1])  # noqa: E741
ERRORS = [  # a call of either library whose arrays `a` makes, and what our message names
    (lambda n, a: n.add(a(X), a(np.ones(4))), "(4,)"),
    (lambda n, a: n.add(a(X), None), "'other'"),
    (lambda n, a: n.sub(a(X > 2), a(X > 2)), "booleans"),
    (lambda n, a: n.div(a(X), 2.0, rounding_mode="up"), "'up'"),
    (lambda n, a: n.pow(a(I), -1), "-1"),
    (lambda n, a: n.lerp(a(I), a(I), 0.5), "int64"),
    (lambda n, a: n.sum(a(X), dim=2), "2"),
    (lambda n, a: n.sum(a(X), dim=(0, 0)), "(0, 0)"),
    (lambda n, a: n.mean(a(I)), "int64"),
    (lambda n, a: n.amax(a(X[:0]), dim=0), "(0, 3)"),
    (lambda n, a: n.max(a(X[:0])), "(0, 3)"),
    (lambda n, a: n.norm(a(I)), "int64"),
    (lambda n, a: n.mm(a(X), a(X)), "(2, 3)"),
    (lambda n, a: n.mm(a(X), a(X[0])), "mat2"),
    (lambda n, a: n.matmul(a(X), a(1.0)), "()"),
    (lambda n, a: n.addmm(a(np.ones(7)), a(X), a(X.T)), "(7,)"),
    (lambda n, a: n.einsum("ij,jk->iz", a(X), a(X.T)), "'z'"),
    (lambda n, a: n.einsum("ij->ij", a(X), a(X)), "2 are given"),
    (lambda n, a: n.cat([a(X), a(X.T)]), "(3, 2)"),
    (lambda n, a: n.stack([a(X), a(X.T)]), "(3, 2)"),
    (lambda n, a: n.split(a(X), [1, 2], dim=0), "[1, 2]"),
    (lambda n, a: n.reshape(a(X), (4, 2)), "(4, 2)"),
    (lambda n, a: n.permute(a(X), (0, 0)), "(0, 0)"),
    (lambda n, a: n.narrow(a(X), 1, 2, 2), "2"),
    (lambda n, a: n.select(a(X), 1, 3), "3"),
    (lambda n, a: n.roll(a(X), (1, 2), (0,)), "(1, 2)"),
    (lambda n, a: n.tril(a(X[0])), "(3,)"),
    (lambda n, a: n.gather(a(X), 1, a(np.array([[3]]))), "3"),
    (lambda n, a: n.gather(a(X), 1, a(I)), "(2,)"),
    (lambda n, a: n.scatter(a(X), 1, a(np.array([[5]])), 1.0), "5"),
    (lambda n, a: n.scatter_reduce(a(X), 1, a(np.array([[1]])), a(X), "median"), "'median'"),
    (lambda n, a: n.index_select(a(X), 0, a(np.array([7]))), "7"),
    (lambda n, a: n.index_add(a(X), 0, a(I), a(X.T)), "(3, 2)"),
    (lambda n, a: n.masked_select(a(X), a(I)), "int64"),
    (lambda n, a: n.topk(a(X), 4), "4"),
    (lambda n, a: n.kthvalue(a(X), 0), "0"),
    (lambda n, a: n.sort(a(X), dim=2), "2"),
    (lambda n, a: n.cumsum(a(X), 2), "2"),
    (lambda n, a: n.clamp(a(X)), "min and max"),
    (lambda n, a: n.where(a(X), a(X), a(X)), "condition"),
]


@pytest.mark.parametrize(("call", "named"), ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors(call, named):
    """Catches another exception type than torch's, and an error of NumPy's or Python's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same_error(lambda: call(tensor, np.array), lambda: call(torch, torch.tensor), named)
