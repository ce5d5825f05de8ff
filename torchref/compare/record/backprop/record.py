"""Record the tensors of a step for the tab "Backprop"."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

from torchref.compare.lockstep.judge import Divergence
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.watched import Watched
from torchref.compare.record.backprop.names import PLUGIN, STRUCTURE
from torchref.compare.record.backprop.structure import structure
from torchref.nn.module import Array

if TYPE_CHECKING:
    from torchref.compare.record.recorder import Recorder

__all__ = ["record_backprop"]

DTYPES = {"float64": "DT_DOUBLE", "float32": "DT_FLOAT", "int64": "DT_INT64", "bool": "DT_BOOL"}


def record_backprop(
    recorder: Recorder, watched: Watched, lockstep: Lockstep, n: int, divergence: Divergence | None = None
) -> None:
    """Write step `n`: each engine's tensors into its run of events, the structure into NumPy's."""
    twin = lockstep.numpy_twin
    parted = {} if divergence is None else asdict(divergence)
    found = structure(watched, n, twin.model, twin.criterion, lockstep.bounds.screen, parted)
    text = json.dumps(as_json(found.said), allow_nan=False)
    recorder.tensor("numpy", STRUCTURE, TensorProto(dtype="DT_STRING", string_val=[text.encode()]), n, PLUGIN)
    for tag, pair in found.tensors.items():
        for engine, array in (("numpy", pair.cut(pair.numpy)), ("torch", pair.cut(pair.torch))):
            if array is not None:
                recorder.tensor(engine, tag, as_proto(array), n, PLUGIN)


def as_json(said: Any) -> Any:
    """The same with nan and inf, which JSON does not know, as texts."""
    if isinstance(said, dict):
        return {name: as_json(part) for name, part in said.items()}
    if isinstance(said, list | tuple):
        return [as_json(part) for part in said]
    return repr(said) if isinstance(said, float) and not math.isfinite(said) else said


def as_proto(array: Array) -> TensorProto:
    """An array as TensorBoard keeps it, to the last bit."""
    if array.dtype.name not in DTYPES:
        array = array.astype(np.float64)
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in array.shape])
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return TensorProto(dtype=DTYPES[array.dtype.name], tensor_shape=shape, tensor_content=little.tobytes())
