"""A recorded step as the browser reads it: the entries as base64 of little-endian float64, no digit lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchref.nn.module import Array
from torchref.page.inline import entries

__all__ = ["packed"]


def packed(structure: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Array]]) -> dict[str, Any]:
    """The structure, and {engine: {tag: entries}}. Integers and masks become float64, too: exact below 2^53."""
    tensors_of = {engine: {tag: entries(array) for tag, array in named.items()} for engine, named in tensors.items()}
    return {"structure": structure, "tensors": tensors_of}
