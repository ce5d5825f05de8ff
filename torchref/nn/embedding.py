"""Embedding: a table of vectors, looked up by integers; EmbeddingBag: sums, means or maxima of such vectors."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_device, check_floating, check_integers, check_numbers, check_sizes
from torchref.nn.module import Array, Backward, Module, Parameter, bind


def check_table(function: str, x: Array, weight: Array) -> None:
    """RuntimeError unless x holds int32 or int64 and weight is (V, D)."""
    if x.dtype not in (np.int32, np.int64):
        raise RuntimeError(f"{function}(): input must hold int32 or int64, but got {x.dtype}")
    if weight.ndim != 2:
        raise RuntimeError(f"{function}(): weight must be 2-D, but has shape {weight.shape}")


def first_out_of_range(x: Array, length: int) -> int | None:
    """The first entry of x that is no row of a table of `length` rows; None if all are."""
    if x.size and (x.min() < 0 or x.max() >= length):
        return int(x[(x < 0) | (x >= length)].flat[0])
    return None


def wrap_padding_idx(padding_idx: int | None, length: int, error: type[Exception], function: str) -> int | None:
    """`padding_idx` counted from the front; `error` if a table of `length` rows has no such row."""
    if padding_idx is None:
        return None
    check_integers(function, padding_idx=padding_idx)
    if not (padding_idx == 0 or -length <= padding_idx < length):
        raise error(f"{function}: padding_idx={padding_idx} must be within num_embeddings={length}")
    return padding_idx + length if padding_idx < 0 else padding_idx


def add_rows(rows: Array, index: Array, length: int) -> Array:
    """A table (length, D) with out_v = sum of the rows_n that have index_n = v; rows (N, D), index (N).

    `out[index] += rows` would keep only the last row of each index, and np.add.at is right but slow. So rows whose
    index comes once are assigned, and the others are sorted and summed, all of an index at once.
    """
    out = np.zeros((length, rows.shape[1]), rows.dtype, like=rows)  # zeros_like would write to every row of the table
    out[index] = rows
    again = np.flatnonzero(np.bincount(index, minlength=length)[index] > 1)  # the rows whose index comes again
    again = again[np.argsort(index[again], kind="stable")]  # those of one index side by side
    starts = np.flatnonzero(np.diff(index[again], prepend=-1))
    out[index[again[starts]]] = np.add.reduceat(rows[again], starts, axis=0)
    return out


def divided_by_frequency(rows: Array, index: Array, length: int) -> Array:
    """rows_n / (how often index_n occurs), which makes the summed gradient of an index a mean."""
    counts = np.bincount(index, minlength=length)[index].astype(rows.dtype)
    return rows / counts[:, None]


@takes_any_array
def embedding(
    x: Array,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,  # noqa: ARG001 (torch's argument)
) -> tuple[Array, Backward]:
    """y = the rows of weight that x names: y_nd = weight_(x_n)d.

    Shapes: x (...) of integers, weight (V, D), y (..., D); N is the product of x's dimensions.

    Backward. With the one-hot matrix H (N, V), H_nv = [x_n = v], y = H weight is a linear layer, so dweight = H^T dy:
        dL/dweight_vd = sum_n [x_n = v] dy_nd
    The product is never formed: each dy_n is added to row x_n, and a row that is named k times gets k terms. The row
    `padding_idx` gets 0. `scale_grad_by_freq` divides each row by its k. With `max_norm` y's rows are those of
    `renormalized`, and the backward knows nothing of it. `sparse` is accepted: the gradient is dense, the same numbers.
    `backward(dy)` returns None (integers have no gradient), dweight.

    Errors: IndexError if an entry of x is no row, RuntimeError unless x holds int32 or int64 and weight is 2-D,
    AssertionError if padding_idx is no row.
    Equals `torch.nn.functional.embedding`, but that `max_norm` shrinks torch's weight in place, and here no argument
    changes: store `renormalized(weight, x, max_norm, norm_type)` to go on with. Bengio et al. 2003.
    """
    check_arrays("embedding", input=x)
    check_floating("embedding", weight=weight)
    if weight.ndim > 0:
        padding_idx = wrap_padding_idx(padding_idx, len(weight), AssertionError, "embedding()")
    check_table("embedding", x, weight)
    wrong = first_out_of_range(x, len(weight))
    if wrong is not None:
        raise IndexError(f"embedding(): index out of range: input has {wrong}, but weight has {len(weight)} rows")
    table = weight if max_norm is None else renormalized(weight, x, max_norm, norm_type)
    y = table.take(x, axis=0)

    def backward(dy: Array) -> tuple[None, Array]:
        index = x.reshape(-1)  # (N,)
        dy_rows = dy.reshape(index.size, weight.shape[1])  # (N, D)
        if scale_grad_by_freq:
            dy_rows = divided_by_frequency(dy_rows, index, len(weight))
        dweight = add_rows(dy_rows, index, len(weight))  # (V, D)
        if padding_idx is not None:
            dweight[padding_idx] = 0
        return None, dweight

    return y, backward


def renormalized(weight: Array, x: Array, max_norm: float, norm_type: float = 2.0) -> Array:
    """weight, but each row that x names and whose p-norm (p = norm_type) exceeds max_norm is shrunk to it.

    torch does this in place on the weight before it looks it up, and its backward knows nothing of it: the new row
    counts as the parameter. Here it returns a new array (`weight` itself if no row exceeds), which the module stores.
    """
    check_numbers("renormalized", max_norm=max_norm, norm_type=norm_type)
    named = np.unique(x)
    rows = weight[named]
    norms = np.linalg.norm(rows, norm_type, axis=1, keepdims=True) if named.size else rows.sum(axis=1, keepdims=True)
    if not np.any(norms > max_norm):
        return weight
    shrunk = rows * (max_norm / (norms + 1e-7))  # torch's 1e-7: the new norm is just below max_norm
    weight = weight.copy()
    weight[named] = np.where(norms > max_norm, shrunk, rows)
    return weight


@takes_any_array
def embedding_bag(
    x: Array,
    weight: Array,
    offsets: Array | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Array, Backward]:
    """For each bag of indices the sum, mean or maximum of the rows of weight that it names; 0 for an empty bag.

    Shapes: x (B, n) of integers, B bags of n; or x (N), cut into B bags that start at offsets (B) (with
    `include_last_offset` offsets (B + 1) ends with N); weight (V, D); per_sample_weights as x, for "sum" only;
    y (B, D).
    Entries equal to padding_idx are left out, of a mean's count, too. `max_norm` and `sparse` are as in `embedding`.

    Backward. Let b(n) be the bag of entry n, r_n = weight_(x_n) its row, w_n its weight (1 without), m_b a bag's count.
        sum   y_b  = sum_(b(n) = b) w_n r_n    ->  dr_n = w_n dy_b(n),  dw_n = sum_d dy_b(n)d r_nd
        mean  y_b  = sum_(b(n) = b) r_n / m_b  ->  dr_n = dy_b(n) / m_b(n)
        max   y_bd = max_(b(n) = b) r_nd       ->  dr_nd = dy_b(n)d where n is the first maximum of its bag, else 0
    and, as in `embedding`, dweight_v = sum_n [x_n = v] dr_n, with `scale_grad_by_freq` divided by how often x names v.
    `backward(dy)` returns None, dweight, None (for the offsets), dper_sample_weights (None without them).

    Errors: ValueError for shapes of x, offsets or per_sample_weights that do not fit and for an unknown mode;
    RuntimeError for an entry of x that is no row, for a wrong dtype, and unless the offsets rise from 0 to N at most;
    NotImplementedError for per_sample_weights with another mode than "sum".

    Equals `torch.nn.functional.embedding_bag`, but that torch 2.13 divides by another row's frequency when frequencies
    differ, and that with `include_last_offset` offsets must really end with N.
    """
    optional = {"per_sample_weights": per_sample_weights, "offsets": offsets}
    check_arrays("embedding_bag", input=x, weight=weight, optional=optional)
    check_bag_options(x, weight, per_sample_weights, mode, scale_grad_by_freq, sparse)
    starts, bags = bag_starts(x, offsets, include_last_offset)
    padding_idx = wrap_padding_idx(padding_idx, len(weight), RuntimeError, "embedding_bag()")
    wrong = first_out_of_range(x, len(weight))
    if wrong is not None:
        raise RuntimeError(f"embedding_bag(): input has {wrong}, but weight has {len(weight)} rows")

    bag = np.repeat(np.arange(bags), np.diff(starts, append=x.size))  # b(n)
    kept = np.flatnonzero(x.reshape(-1) != padding_idx) if padding_idx is not None else np.arange(x.size)
    bag, index = bag[kept], x.reshape(-1)[kept]  # from here on N counts what is not padding
    table = weight if max_norm is None else renormalized(weight, x, max_norm, norm_type)
    rows = table.take(index, axis=0)  # (N, D)
    factor = None  # of each row in its bag's sum: (N, 1)
    if per_sample_weights is not None:
        factor = per_sample_weights.reshape(-1)[kept, None]
    elif mode == "mean":
        factor = 1 / np.bincount(bag, minlength=bags)[bag].astype(weight.dtype)[:, None]
    if mode == "max":
        y, winner = bag_maximum(rows, bag, bags)
    else:
        y = add_rows(rows if factor is None else rows * factor, bag, bags)

    def backward(dy: Array) -> tuple[None, Array, None, Array | None]:
        drows = dy.take(bag, axis=0)  # (N, D)
        dfactor = (drows * rows).sum(axis=1) if per_sample_weights is not None else None  # (N,)
        if mode == "max":
            drows = drows * (winner.take(bag, axis=0) == np.arange(len(rows))[:, None])
        elif factor is not None:
            drows = drows * factor
        if scale_grad_by_freq:
            drows = divided_by_frequency(drows, index, len(weight))
        dweight = add_rows(drows, index, len(weight))  # (V, D)
        if dfactor is None:
            return None, dweight, None, None
        dper_sample_weights = np.zeros_like(dfactor, shape=x.size, order="C")
        dper_sample_weights[kept] = dfactor
        return None, dweight, None, dper_sample_weights.reshape(x.shape)

    return y, backward


def check_bag_options(
    x: Array, weight: Array, per_sample_weights: Array | None, mode: str, scale_grad_by_freq: bool, sparse: bool
) -> None:
    """The table, the mode, and what goes with it."""
    check_floating("embedding_bag", weight=weight, optional={"per_sample_weights": per_sample_weights})
    check_table("embedding_bag", x, weight)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag(): mode has to be one of sum, mean or max, but got mode={mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError(f"embedding_bag(): mode='max' does not support {scale_grad_by_freq=} and {sparse=}")
    if per_sample_weights is None:
        return
    if per_sample_weights.shape != x.shape:
        raise ValueError(
            f"embedding_bag(): per_sample_weights {per_sample_weights.shape} must have the shape of input {x.shape}"
        )
    if mode != "sum":
        raise NotImplementedError(f"embedding_bag(): per_sample_weights need mode='sum', but got mode={mode!r}")


def bag_starts(x: Array, offsets: Array | None, include_last_offset: bool) -> tuple[Array, int]:
    """Where each bag begins in x read row by row, and how many bags there are."""
    if x.ndim == 2:
        if offsets is not None:
            raise ValueError(
                f"embedding_bag(): input {x.shape} is 2D, so offsets has to be None, but has {offsets.shape}"
            )
        return np.arange(len(x)) * x.shape[1], len(x)
    if x.ndim != 1:
        raise ValueError(f"embedding_bag(): input has to be 1D or 2D, but has shape {x.shape}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError(f"embedding_bag(): offsets has to be 1D, but got offsets={offsets}")
    if offsets.dtype not in (np.int32, np.int64):
        raise RuntimeError(f"embedding_bag(): offsets must hold int32 or int64, but got {offsets.dtype}")
    if include_last_offset and (offsets.size == 0 or offsets[-1] != x.size):
        raise RuntimeError(f"embedding_bag(): with include_last_offset offsets {offsets} must end with {x.size}")
    if offsets.size and (offsets[0] != 0 or offsets[-1] > x.size or np.any(offsets[1:] < offsets[:-1])):
        raise RuntimeError(f"embedding_bag(): offsets {offsets} must rise from 0 to at most {x.size}, input's length")
    starts = offsets[:-1] if include_last_offset else offsets
    return starts, len(starts)


def bag_maximum(rows: Array, bag: Array, bags: int) -> tuple[Array, Array]:
    """The maximum of each bag's rows, 0 for an empty bag, and the first row that has it (-1): both (bags, D)."""
    y = np.zeros_like(rows, shape=(bags, rows.shape[1]), order="C")
    winner = np.full(y.shape, -1)
    if len(rows):
        starts = np.flatnonzero(np.concatenate(([True], bag[1:] != bag[:-1])))
        y[bag[starts]] = np.maximum.reduceat(rows, starts, axis=0)
        position = np.where(rows == y[bag], np.arange(len(rows))[:, None], len(rows))
        winner[bag[starts]] = np.minimum.reduceat(position, starts, axis=0)
    return y, winner


class EmbeddingModule(Module):
    """What Embedding and EmbeddingBag have in common: the table and how it is drawn."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    weight: Parameter

    def make_weight(self, weight: Array | None, requires_grad: bool, device: None, dtype: DTypeLike | None) -> None:
        check_device(device)
        shape = (self.num_embeddings, self.embedding_dim)
        if weight is None:
            check_sizes(type(self).__name__, num_embeddings=shape[0], embedding_dim=shape[1])
            self.weight = Parameter(np.empty(shape, dtype or np.float32), requires_grad)
            self.reset_parameters()
        elif weight.shape != shape:
            raise AssertionError(f"{type(self).__name__}: _weight has shape {weight.shape} instead of {shape}")
        else:
            self.weight = Parameter(weight.copy(), requires_grad)

    def reset_parameters(self) -> None:
        init.normal_(self.weight.data)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def renormalize(self, input: Array) -> None:
        """With `max_norm`, replace the weight by its `renormalized` one, in training and in evaluation, as torch does.

        This is the one forward that changes a parameter: `weight.data` is then another array; the old one keeps its
        values for whoever holds it.
        """
        if self.max_norm is not None and input.dtype.kind == "i":
            wrong = first_out_of_range(input, self.num_embeddings)
            if wrong is not None:
                raise IndexError(f"index out of range: input has {wrong}, but weight has {self.num_embeddings} rows")
            self.weight.data = renormalized(self.weight.data, input, self.max_norm, self.norm_type)


class Embedding(EmbeddingModule):
    """`embedding` with its table as a parameter, drawn from the standard normal; the row `padding_idx` starts at 0.

    `max_norm` shrinks the rows that a forward looks up (`renormalize`). `sparse` is accepted; the gradient is dense,
    the same numbers. Errors: AssertionError if padding_idx is no row. Equals `torch.nn.Embedding`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Array | None = None,
        _freeze: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_integers("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = wrap_padding_idx(padding_idx, num_embeddings, AssertionError, "Embedding")
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.make_weight(_weight, not _freeze, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Array,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A module whose table is a copy of `embeddings` (V, D); with `freeze` it is not trained."""
        rows, columns = check_embeddings(embeddings)
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, _freeze=freeze
        )

    def forward(self, input: Array) -> tuple[Array, Backward]:
        self.renormalize(input)
        return bind(
            embedding,
            input,
            self.weight,
            padding_idx=self.padding_idx,
            scale_grad_by_freq=self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        if self.sparse:
            parts.append("sparse=True")
        return ", ".join(parts)


class EmbeddingBag(EmbeddingModule):
    """`embedding_bag` with its table as a parameter, drawn from the standard normal; the row `padding_idx` starts at 0.

    `max_norm` shrinks the rows that a forward looks up (`renormalize`). `sparse` is accepted; the gradient is dense,
    the same numbers. Errors: AssertionError if padding_idx is no row. Equals `torch.nn.EmbeddingBag`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Array | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_integers("EmbeddingBag", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = wrap_padding_idx(padding_idx, num_embeddings, AssertionError, "EmbeddingBag")
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self.make_weight(_weight, True, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Array,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A module whose table is a copy of `embeddings` (V, D); with `freeze` it is not trained."""
        rows, columns = check_embeddings(embeddings)
        module = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        module.weight.requires_grad = not freeze
        return module

    def forward(
        self, input: Array, offsets: Array | None = None, per_sample_weights: Array | None = None
    ) -> tuple[Array, Backward]:
        self.renormalize(input)

        def bag(
            x: Array, weight: Array, offsets: Array | None, per_sample_weights: Array | None
        ) -> tuple[Array, Backward]:
            return embedding_bag(
                x,
                weight,
                offsets,
                scale_grad_by_freq=self.scale_grad_by_freq,
                mode=self.mode,
                per_sample_weights=per_sample_weights,
                include_last_offset=self.include_last_offset,
                padding_idx=self.padding_idx,
            )

        return bind(bag, input, self.weight, offsets, per_sample_weights)

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        parts.append(f"mode={self.mode!r}")
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        return ", ".join(parts)


def check_embeddings(embeddings: Array) -> tuple[int, int]:
    """The rows and columns of a table. AssertionError unless it is 2-dimensional."""
    if embeddings.ndim != 2:
        raise AssertionError(f"embeddings is expected to be 2-dimensional, but has shape {embeddings.shape}")
    return embeddings.shape[0], embeddings.shape[1]
