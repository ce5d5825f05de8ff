"""Products of matrices and vectors: mm, bmm, matmul, addmm, outer, kron, cross. (einsum: torchref.tensor.einstein.)

All are sums of products y = sum_k a_k b_k, so every gradient is a product of dy with the other factor.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays, check_floating, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.arithmetic import scaled
from torchref.tensor.calling import check_arrays_alone, check_broadcast, in_dtype, operands, plainly, result_type

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "check_factors",
    "cross",
    "dot",
    "kron",
    "matmul",
    "mm",
    "mv",
    "outer",
    "vecdot",
]


def check_factors(function: str, dims: tuple[int, ...] | None = None, **arrays: Any) -> None:
    """Arrays of one dtype, with so many dimensions each. RuntimeError otherwise."""
    check_arrays(function, **arrays)
    if any(array.dtype == bool for array in arrays.values()):
        raise NotImplementedError(f"{function}(): not implemented for booleans")
    dtypes = {array.dtype for array in arrays.values()}
    if len(dtypes) > 1:
        raise RuntimeError(f"{function}(): expected one dtype, but got {', '.join(map(str, dtypes))}")
    for (name, array), ndim in zip(arrays.items(), dims or (), strict=dims is not None):
        if array.ndim != ndim:
            raise RuntimeError(f"{function}(): '{name}' must have {ndim} dimensions, but has shape {array.shape}")


def check_inner(function: str, a: Array, b: Array) -> None:
    """RuntimeError unless the rows of a are as long as the columns of b, and batches are equally many."""
    rows = b.shape[-2] if b.ndim > 1 else b.shape[-1]
    if a.shape[-1] != rows or (a.ndim == b.ndim == 3 and len(a) != len(b)):
        raise RuntimeError(f"{function}(): shapes {a.shape} and {b.shape} cannot be multiplied")


def product(a: Array, b: Array) -> tuple[Array, Backward]:
    """y = a b of matrices, batches of them broadcast: a (..., n, k), b (..., k, m), y (..., n, m).

    Backward. With y_nm = sum_k a_nk b_km:
        dL/da_nk = sum_m dy_nm b_km  ->  da = dy b^T
        dL/db_km = sum_n a_nk dy_nm  ->  db = a^T dy
    summed over the batches to which a factor was repeated.
    """

    def backward(dy: Array) -> tuple[Array, Array]:
        da = sum_to_shape(dy @ b.swapaxes(-1, -2), a.shape)
        db = sum_to_shape(a.swapaxes(-1, -2) @ dy, b.shape)
        return da, db

    return a @ b, backward


@plainly
def mm(x: Array, mat2: Array) -> tuple[Array, Backward]:
    """y = x mat2, two matrices: x (n, k), mat2 (k, m), y (n, m).

    Backward, as `product` derives it:  dx = dy mat2^T,  dmat2 = x^T dy.

    Errors: RuntimeError for shapes or dtypes that do not fit. Equals `torch.mm`.
    """
    check_factors("mm", (2, 2), input=x, mat2=mat2)
    check_inner("mm", x, mat2)
    y, product_backward = product(x, mat2)

    def backward(dy: Array) -> tuple[Array, ...]:
        return product_backward(dy)

    return y, backward


@plainly
def bmm(x: Array, mat2: Array) -> tuple[Array, Backward]:
    """y_b = x_b mat2_b: `mm` of each pair of a batch: x (B, n, k), mat2 (B, k, m), y (B, n, m).

    Backward, for each b:  dx = dy mat2^T,  dmat2 = x^T dy.

    Errors: as `mm`. Equals `torch.bmm`.
    """
    check_factors("bmm", (3, 3), input=x, mat2=mat2)
    check_inner("bmm", x, mat2)
    y, product_backward = product(x, mat2)

    def backward(dy: Array) -> tuple[Array, ...]:
        return product_backward(dy)

    return y, backward


@plainly
def mv(x: Array, vec: Array) -> tuple[Array, Backward]:
    """y_n = sum_k x_nk vec_k: a matrix times a vector.

    Backward:  dx_nk = dy_n vec_k, the outer product;  dvec_k = sum_n dy_n x_nk = (x^T dy)_k.

    Errors: as `mm`. Equals `torch.mv`.
    """
    check_factors("mv", (2, 1), input=x, vec=vec)
    check_inner("mv", x, vec)

    def backward(dy: Array) -> tuple[Array, ...]:
        return dy[:, None] * vec, x.T @ dy

    return x @ vec, backward


@plainly
def dot(x: Array, tensor: Array) -> tuple[Array, Backward]:
    """y = sum_k x_k tensor_k, two vectors.

    Backward:  dx_k = dy tensor_k,  dtensor_k = dy x_k.

    Errors: RuntimeError for what are no vectors of one length and dtype. Equals `torch.dot`.
    """
    check_factors("dot", (1, 1), input=x, tensor=tensor)
    check_inner("dot", x, tensor)

    def backward(dy: Array) -> tuple[Array, ...]:
        return dy * tensor, dy * x

    return x @ tensor, backward


@plainly
def matmul(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = x other, of whatever dimensions: vectors, matrices, batches of matrices that broadcast.

    A vector x counts as one row (1, k), a vector other as one column (k, 1); y loses that dimension again.

    Backward, of matrices, as `product` derives it:  dx = dy other^T,  dother = x^T dy,  summed over repeated batches.

    Errors: RuntimeError for shapes or dtypes that do not fit, and for 0-d arrays. Equals `torch.matmul`.
    """
    check_factors("matmul", None, input=x, other=other)
    if x.ndim == 0 or other.ndim == 0:
        raise RuntimeError(f"matmul(): both arguments need a dimension, but have shapes {x.shape} and {other.shape}")
    a = x[None] if x.ndim == 1 else x
    b = other[:, None] if other.ndim == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(f"matmul(): shapes {x.shape} and {other.shape} cannot be multiplied")
    check_broadcast("matmul", input=a[..., 0, 0], other=b[..., 0, 0]) if a.size and b.size else None
    y, product_backward = product(a, b)
    added = tuple(axis for axis, array in ((-2, x), (-1, other)) if array.ndim == 1)

    def backward(dy: Array) -> tuple[Array, ...]:
        da, db = product_backward(np.expand_dims(dy, added))
        return da.reshape(x.shape), db.reshape(other.shape)

    return np.squeeze(y, added), backward


# --- added to what is there -------------------------------------------------------------------------------------------


def added_product(
    function: str, x: Array, y: Array, product_backward: Backward, beta: float, alpha: float
) -> tuple[Array, Backward]:
    """beta x + alpha y, y being a product. x broadcasts to it; with beta = 0 it is not even looked at.

    Backward:  dx = beta dy, summed to x's shape;  the factors get the product's gradients of alpha dy.
    """
    check_numbers(function, beta=beta, alpha=alpha)
    try:
        fits = np.broadcast_shapes(x.shape, y.shape) == y.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(f"{function}(): input {x.shape} does not broadcast to the product's shape {y.shape}")
    total = scaled(function, y, alpha)
    total = total if beta == 0 else scaled(function, x, beta) + total

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = sum_to_shape(beta * dy, x.shape)
        return dx, *product_backward(alpha * dy)

    return total, backward


@plainly
def addmm(x: Array, mat1: Array, mat2: Array, *, beta: float = 1, alpha: float = 1) -> tuple[Array, Backward]:
    """y = beta x + alpha mat1 mat2: mat1 (n, k), mat2 (k, m), y (n, m); x broadcasts to y. beta = 0 ignores x.

    Backward:  dx = beta dy (summed to x's shape),  dmat1 = alpha dy mat2^T,  dmat2 = alpha mat1^T dy.

    Errors: as `mm`. Equals `torch.addmm`.
    """
    check_factors("addmm", None, input=x, mat1=mat1, mat2=mat2)
    check_factors("addmm", (2, 2), mat1=mat1, mat2=mat2)
    check_inner("addmm", mat1, mat2)
    return added_product("addmm", x, *product(mat1, mat2), beta, alpha)


@plainly
def baddbmm(x: Array, batch1: Array, batch2: Array, *, beta: float = 1, alpha: float = 1) -> tuple[Array, Backward]:
    """y_b = beta x_b + alpha batch1_b batch2_b: `addmm` of each of a batch; x broadcasts to y.

    Backward:  dx = beta dy (summed to x's shape),  dbatch1 = alpha dy batch2^T,  dbatch2 = alpha batch1^T dy.

    Errors: as `bmm`. Equals `torch.baddbmm`.
    """
    check_factors("baddbmm", None, input=x, batch1=batch1, batch2=batch2)
    check_factors("baddbmm", (3, 3), batch1=batch1, batch2=batch2)
    check_inner("baddbmm", batch1, batch2)
    return added_product("baddbmm", x, *product(batch1, batch2), beta, alpha)


@plainly
def addbmm(x: Array, batch1: Array, batch2: Array, *, beta: float = 1, alpha: float = 1) -> tuple[Array, Backward]:
    """y = beta x + alpha sum_b batch1_b batch2_b: batch1 (B, n, k), batch2 (B, k, m), y (n, m).

    Backward. Each product of the sum gets all of dy:
        dx = beta dy (summed to x's shape),  dbatch1_b = alpha dy batch2_b^T,  dbatch2_b = alpha batch1_b^T dy

    Errors: as `bmm`. Equals `torch.addbmm`.
    """
    check_factors("addbmm", None, input=x, batch1=batch1, batch2=batch2)
    check_factors("addbmm", (3, 3), batch1=batch1, batch2=batch2)
    check_inner("addbmm", batch1, batch2)
    products, product_backward = product(batch1, batch2)
    return added_product("addbmm", x, products.sum(axis=0), product_backward, beta, alpha)


@plainly
def addmv(x: Array, mat: Array, vec: Array, *, beta: float = 1, alpha: float = 1) -> tuple[Array, Backward]:
    """y = beta x + alpha mat vec: mat (n, k), vec (k), y (n); x broadcasts to y.

    Backward:  dx = beta dy (summed to x's shape),  dmat_nk = alpha dy_n vec_k,  dvec = alpha mat^T dy.

    Errors: as `mv`. Equals `torch.addmv`.
    """
    check_factors("addmv", None, input=x, mat=mat, vec=vec)
    y, mv_backward = mv(mat, vec)
    return added_product("addmv", x, y, mv_backward, beta, alpha)


@plainly
def addr(x: Array, vec1: Array, vec2: Array, *, beta: float = 1, alpha: float = 1) -> tuple[Array, Backward]:
    """y_nm = beta x_nm + alpha vec1_n vec2_m: an outer product added; x broadcasts to y.

    Backward:  dx = beta dy (summed to x's shape),  dvec1 = alpha dy vec2,  dvec2 = alpha dy^T vec1.

    Errors: as `outer`. Equals `torch.addr`.
    """
    check_factors("addr", None, input=x, vec1=vec1, vec2=vec2)
    y, outer_backward = outer(vec1, vec2)
    return added_product("addr", x, y, outer_backward, beta, alpha)


# --- products of every pair -------------------------------------------------------------------------------------------


@plainly
def outer(x: Array, vec2: Array) -> tuple[Array, Backward]:
    """y_nm = x_n vec2_m, two vectors.

    Backward:  dx_n = sum_m dy_nm vec2_m = (dy vec2)_n,  dvec2_m = sum_n dy_nm x_n = (dy^T x)_m.

    Errors: RuntimeError for what are no vectors. Equals `torch.outer`.
    """
    check_arrays_alone("outer", input=x, vec2=vec2)
    a, b = operands("outer", input=x[:, None], vec2=vec2) if x.ndim == vec2.ndim == 1 else (x, vec2)
    check_factors("outer", (1, 1), input=x if a is x else a[:, 0], vec2=b)

    def backward(dy: Array) -> tuple[Array, ...]:
        return dy @ b, a[:, 0] @ dy

    return a * b, backward


@plainly
def kron(x: Array, other: Array) -> tuple[Array, Backward]:
    """y_(i p + j) = x_i other_j along each dimension, p other's size in it: other once for each entry of x, times it.

    Backward. With dy read as one axis for i and one for j in each dimension:
        dx_i = sum_j dy_(i p + j) other_j,  dother_j = sum_i dy_(i p + j) x_i

    Equals `torch.kron`.
    """
    check_arrays_alone("kron", input=x, other=other)
    dtype = result_type(x, other)
    n = x.ndim if x.ndim > other.ndim else other.ndim
    a = in_dtype(x, dtype).reshape([size for s in (1,) * (n - x.ndim) + x.shape for size in (s, 1)])
    b = in_dtype(other, dtype).reshape([size for s in (1,) * (n - other.ndim) + other.shape for size in (1, s)])
    pairs = a * b  # (i, j, i', j', ...)

    def backward(dy: Array) -> tuple[Array, ...]:
        dpairs = dy.reshape(pairs.shape)
        dx = sum_to_shape(dpairs * b, a.shape).reshape(x.shape)
        dother = sum_to_shape(dpairs * a, b.shape).reshape(other.shape)
        return dx, dother

    return pairs.reshape([p * q for p, q in zip(pairs.shape[::2], pairs.shape[1::2], strict=True)]), backward


@plainly
def cross(x: Array, other: Array, dim: int | None = None) -> tuple[Array, Backward]:
    """y = x times other, the vector product along `dim`, of size 3: y_0 = x_1 other_2 - x_2 other_1, and so on.

    Without `dim` the first dimension of size 3, which torch warns of. Other dimensions broadcast.

    Backward. dy . (dx times other) = dx . (other times dy), a triple product turned round:
        dx = other times dy,  dother = dy times x

    Errors: RuntimeError for sizes that do not fit. Equals `torch.cross`.
    """
    check_factors("cross", None, input=x, other=other)
    if x.ndim != other.ndim:
        raise RuntimeError(f"cross(): both need the same number of dimensions, but got {x.shape} and {other.shape}")
    shape = check_broadcast("cross", input=x, other=other)
    if dim is None:
        if 3 not in shape:
            raise RuntimeError(f"cross(): no dimension of size 3 in input of shape {shape}")
        warnings.warn("cross(): without dim the first dimension of size 3 is taken; give dim", stacklevel=4)
        dim = shape.index(3)
    axis = normalize_dim("cross", dim, x.ndim)
    if x.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(f"cross(): dimension {dim} must have size 3, but the shapes are {x.shape} and {other.shape}")

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = sum_to_shape(vector_product(other, dy, axis), x.shape)
        dother = sum_to_shape(vector_product(dy, x, axis), other.shape)
        return dx, dother

    return vector_product(x, other, axis), backward


def vector_product(a: Array, b: Array, axis: int) -> Array:
    """a_(i+1) b_(i+2) - a_(i+2) b_(i+1) along an axis of size 3, indices modulo 3."""
    a1, a2, b1, b2 = (np.roll(array, shift, axis) for array in (a, b) for shift in (-1, -2))
    return a1 * b2 - a2 * b1


@plainly
def vecdot(x: Array, y: Array, *, dim: int = -1) -> tuple[Array, Backward]:
    """z = sum_i x_i y_i along `dim`; other dimensions broadcast.

    Backward:  dx_i = dz y_i,  dy_i = dz x_i,  summed to the shapes.

    Equals `torch.linalg.vecdot`.
    """
    check_arrays_alone("vecdot", x=x, y=y)
    check_floating("vecdot", x=x, y=y)
    a, b = operands("vecdot", x=x, y=y)
    pairs = a * b
    axis = normalize_dim("vecdot", dim, pairs.ndim)

    def backward(dz: Array) -> tuple[Array, Array]:
        dpairs = np.broadcast_to(np.expand_dims(dz, axis) if pairs.ndim else dz, pairs.shape)
        return sum_to_shape(dpairs * b, x.shape), sum_to_shape(dpairs * a, y.shape)

    return pairs.sum(axis=axis if pairs.ndim else None), backward
