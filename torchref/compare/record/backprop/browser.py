"""A recorded step as the browser reads it: the entries as base64 of little-endian float64, no digit lost."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from torchref.nn.module import Array

__all__ = ["packed"]


def packed(structure: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Array]]) -> dict[str, Any]:
    """The structure, and {engine: {tag: entries}}. Integers and masks become float64, too: exact below 2^53."""
    entries = {engine: {tag: encoded(array) for tag, array in named.items()} for engine, named in tensors.items()}
    return {"structure": structure, "tensors": entries}


def encoded(array: Array) -> str:
    """The entries, row by row."""
    return base64.b64encode(np.ascontiguousarray(array, "<f8").tobytes()).decode("ascii")
