"""PackedSequence: sequences of different lengths without padding, and the ways between them and padded arrays."""

from __future__ import annotations

from typing import NamedTuple

from torchref.nn.module import Array


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
