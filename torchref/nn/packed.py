"""PackedSequence: sequences of different lengths without padding, and the ways between them and padded arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from torchref.nn.errors import NONE, check_arrays, check_integers, check_numbers
from torchref.nn.module import Array, Backward


class PackedSequence(NamedTuple):
    """N sequences, longest first, one time after the other: data (R, *), R the sum of their lengths.

    `batch_sizes[t]` of the rows belong to time t: the sequences that are longer than t. `sorted_indices[k]` is the
    place that the k-th longest sequence had before sorting, `unsorted_indices` the inverse; both are None where the
    sequences came sorted. The gradient of a PackedSequence is that of its data, an array. Equals torch's.
    """

    data: Array
    batch_sizes: Array
    sorted_indices: Array | None = None
    unsorted_indices: Array | None = None


def invert_permutation(permutation: Array | None) -> Array | None:
    """q with q[permutation[k]] = k; None for None. Equals `torch.nn.utils.rnn.invert_permutation`."""
    return None if permutation is None else np.argsort(permutation)


def pack_padded_sequence(
    x: Array, lengths: Array | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> tuple[PackedSequence, Backward]:
    """Leave out the padding: of sequence n only its first lengths[n] times are kept.

    Shapes: x (T, N, *), with `batch_first` (N, T, *); lengths (N), descending unless `enforce_sorted` is False; the
    data (R, *), R = sum of the lengths.

    Backward. Each row of data is one entry of x and padding reaches nothing:  dx[t, n] = ddata of its row, else 0.
    `backward(dpacked)` takes the gradient of the data, an array or a PackedSequence, and returns dx.

    Errors: RuntimeError for lengths that are not 1-dimensional, not sorted (see above), not as many as sequences,
    below 1, or above T (which torch reads beyond the array for), and for an empty x.
    Equals `torch.nn.utils.rnn.pack_padded_sequence`.
    """
    function = "pack_padded_sequence"
    check_arrays(function, input=x)
    lengths = np.asarray(lengths)
    if lengths.dtype.kind not in "iuf":
        raise TypeError(f"{function}(): lengths must be numbers, but got {lengths.tolist()!r}")
    lengths = lengths.astype(np.int64)
    if x.ndim < 2:
        raise IndexError(f"{function}(): input needs a time and a batch dimension, but has shape {x.shape}")
    if x.size == 0:
        raise RuntimeError(f"{function}(): Cannot pack empty arrays: input has shape {x.shape}")
    timed = x.swapaxes(0, 1) if batch_first else x  # (T, N, *)
    if lengths.ndim != 1 or len(lengths) != timed.shape[1]:
        raise RuntimeError(
            f"{function}(): lengths must be 1-dimensional with one length for each of the {timed.shape[1]} sequences, "
            f"but has shape {lengths.shape}"
        )
    if lengths.min() < 1 or lengths.max() > len(timed):
        raise RuntimeError(f"{function}(): lengths must be from 1 to {len(timed)}, but got {lengths.tolist()}")
    order = np.argsort(-lengths, kind="stable")
    if enforce_sorted and np.any(np.diff(lengths) > 0):
        raise RuntimeError(f"{function}(): with enforce_sorted=True lengths must descend, but got {lengths.tolist()}")
    times, rows = row_places(lengths[order])
    columns = order[rows]  # the sequence in x that each row of data comes from
    packed = PackedSequence(
        timed[times, columns],
        np.bincount(times),
        None if enforce_sorted else order,
        None if enforce_sorted else invert_permutation(order),
    )

    def backward(dpacked: PackedSequence | Array) -> Array:
        dtimed = np.zeros_like(timed)
        if (drows := data_of(dpacked)) is not None:
            dtimed[times, columns] = drows
        return dtimed.swapaxes(0, 1) if batch_first else dtimed

    return packed, backward


def row_places(lengths: Array) -> tuple[Array, Array]:
    """For each row of packed data its time and its sequence; sequence k, the k-th longest, has lengths[k] times."""
    times, sequences = np.nonzero(np.arange(lengths[0])[:, None] < lengths)
    return times, sequences


def data_of(sequence: PackedSequence | Array) -> Array:
    """The data of a packed sequence, or of its gradient, which may be the array alone."""
    return sequence.data if isinstance(sequence, PackedSequence) else sequence


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[tuple[Array, Array], Backward]:
    """The inverse of `pack_padded_sequence`: (y, lengths), y (T, N, *) with `padding_value` at the ends.

    T is the longest length, or `total_length`; the sequences stand where they stood before sorting.

    Backward. Each row of data is one entry of y:  ddata of a row = dy[t, n] there.
    `backward((dy, None))` (the output's structure: lengths have no gradient) returns the gradient of the data.

    Errors: ValueError if `total_length` is below the longest length. Equals `torch.nn.utils.rnn.pad_packed_sequence`.
    """
    function = "pad_packed_sequence"
    data, batch_sizes, _, unsorted_indices = sequence
    check_arrays(function, data=data)
    check_numbers(function, padding_value=padding_value)
    longest = len(batch_sizes)
    if total_length is not None:
        check_integers(function, total_length=total_length)
    if total_length is not None and total_length < longest:
        raise ValueError(
            f"{function}(): Expected total_length to be at least the length of the longest sequence, {longest}, "
            f"but got total_length={total_length}"
        )
    n = int(batch_sizes[0])
    lengths = np.sum(batch_sizes[:, None] > np.arange(n), axis=0)  # (N,), descending
    times, columns = row_places(lengths)
    if unsorted_indices is not None:
        columns = np.argsort(unsorted_indices)[columns]
        lengths = lengths[unsorted_indices]
    timed = np.full_like(data, padding_value, shape=(total_length or longest, n, *data.shape[1:]), order="C")
    timed[times, columns] = data
    y = timed.swapaxes(0, 1) if batch_first else timed

    def backward(doutput: tuple[Array | None, None]) -> Array:
        dy = doutput[0]
        if dy is None:
            return np.zeros_like(data)
        return (dy.swapaxes(0, 1) if batch_first else dy)[times, columns]

    return (y, lengths), backward


def pad_sequence(
    sequences: Iterable[Array], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> tuple[Array, Backward]:
    """Stack N sequences (T_n, *) into y (T, N, *), T the longest, filled up with `padding_value`.

    With `batch_first` y is (N, T, *); with `padding_side="left"` the padding stands in front.

    Backward. Each sequence is a part of y:  dsequence_n = dy at its place. `backward(dy)` returns a list of gradients.
    Errors: RuntimeError for no sequences, another `padding_side`, or sequences of different features.
    Equals `torch.nn.utils.rnn.pad_sequence`.
    """
    function = "pad_sequence"
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"{function}(): Expected an iterable of sequences, but got {sequences!r}")
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError(f"{function}(): received an empty list of sequences")
    if not isinstance(padding_side, str):
        raise TypeError(f"pad_sequence(): padding_side must be a str, but got padding_side={padding_side!r}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"{function}(): Expected padding_side to be 'left' or 'right', but got {padding_side!r}")
    check_arrays(function, NONE, **{f"sequences[{n}]": sequence for n, sequence in enumerate(sequences)})
    shapes = [sequence.shape for sequence in sequences]
    if any(len(shape) == 0 or shape[1:] != shapes[0][1:] for shape in shapes):
        raise RuntimeError(f"{function}(): the sequences must have equal shapes but for their lengths, got {shapes}")
    longest = max(map(len, sequences))
    y = np.full_like(sequences[0], padding_value, shape=(longest, len(sequences), *shapes[0][1:]), order="C")
    places = []
    for n, sequence in enumerate(sequences):
        start = 0 if padding_side == "right" else longest - len(sequence)
        places.append((slice(start, start + len(sequence)), n))
        y[places[n]] = sequence

    def backward(dy: Array) -> list[Array]:
        dtimed = dy.swapaxes(0, 1) if batch_first else dy
        return [dtimed[place] for place in places]

    return (y.swapaxes(0, 1) if batch_first else y), backward


def pack_sequence(sequences: Iterable[Array], enforce_sorted: bool = True) -> tuple[PackedSequence, Backward]:
    """`pad_sequence`, then `pack_padded_sequence`: N sequences (T_n, *) in one PackedSequence.

    Backward, the chain rule; `backward(dpacked)` returns a list of gradients. Errors: RuntimeError, see these two.
    Equals `torch.nn.utils.rnn.pack_sequence`.
    """
    sequences = list(sequences)
    padded, pad_backward = pad_sequence(sequences)
    lengths = [len(sequence) for sequence in sequences]
    packed, pack_backward = pack_padded_sequence(padded, lengths, enforce_sorted=enforce_sorted)

    def backward(dpacked: PackedSequence | Array) -> list[Array]:
        return pad_backward(pack_backward(dpacked))

    return packed, backward


def unpad_sequence(
    padded_sequences: Array, lengths: Array | Sequence[int], batch_first: bool = False
) -> tuple[list[Array], Backward]:
    """The inverse of `pad_sequence`: of sequence n its first lengths[n] times, in a list.

    Backward. What is cut off reaches nothing:  dx[t, n] = dy_n[t] for t < lengths[n], else 0. `backward(dsequences)`
    takes a list (None for a sequence without a gradient). Errors: ValueError unless each sequence has its length.
    Equals `torch.nn.utils.rnn.unpad_sequence`.
    """
    check_arrays("unpad_sequence", padded_sequences=padded_sequences)
    if padded_sequences.ndim < 2:
        raise IndexError(f"unpad_sequence(): padded_sequences must be (T, N, *), but has {padded_sequences.shape}")
    if np.ndim(lengths) != 1:
        error = TypeError if np.ndim(lengths) == 0 else RuntimeError
        raise error(f"unpad_sequence(): lengths must be 1-dimensional, but got {lengths!r}")
    rows = padded_sequences if batch_first else padded_sequences.swapaxes(0, 1)  # (N, T, *)
    if len(lengths) != len(rows):
        raise ValueError(f"unpad_sequence(): {len(lengths)} lengths were given for {len(rows)} sequences")
    kept = [row[: int(length)] for row, length in zip(rows, lengths, strict=True)]

    def backward(dsequences: Sequence[Array | None]) -> Array:
        drows = np.zeros_like(rows)
        for drow, dsequence in zip(drows, dsequences, strict=True):
            if dsequence is not None:
                drow[: len(dsequence)] = dsequence
        return drows if batch_first else drows.swapaxes(0, 1)

    return kept, backward


def unpack_sequence(packed_sequences: PackedSequence) -> tuple[list[Array], Backward]:
    """The inverse of `pack_sequence`: a list of sequences, each of its own length.

    Backward, the chain rule; `backward(dsequences)` returns the gradient of the data. Equals torch's `unpack_sequence`.
    """
    (padded, lengths), pad_backward = pad_packed_sequence(packed_sequences, batch_first=True)
    sequences, unpad_backward = unpad_sequence(padded, lengths, batch_first=True)

    def backward(dsequences: Sequence[Array | None]) -> Array:
        return pad_backward((unpad_backward(dsequences), None))

    return sequences, backward
