"""Checkpoints: a training continues from one to the same bits. A kill at any moment leaves a whole one.

A checkpoint of step s is `step-<s>.npz`, the arrays, and `step-<s>.json`, the manifest: the state, the arrays' names,
shapes and dtypes, and a SHA-256 of each file. Each file is written under a temporary name, synchronised and renamed;
the manifest comes last, and only then is the previous checkpoint removed. npz is read with `allow_pickle=False`.

npz, and not safetensors: that stores no checksum, so the manifest would stay, and a package would come.

Random states fit in: NumPy's `generator.bit_generator.state` into `state`, torch's `get_rng_state().numpy()` into
`arrays`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.compare.files import write_whole
from torchref.compare.npz import BadArrays, read_arrays

__all__ = ["latest", "load", "save"]


def save(folder: Path, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> Path:
    """Write the checkpoint of `step` (arrays by name, and a state that JSON can hold); returns its manifest's path."""
    folder = Path(folder)
    packed = io.BytesIO()
    numbered = {f"array_{i}": np.asarray(array) for i, array in enumerate(arrays.values())}
    np.savez(packed, allow_pickle=False, **numbered)
    data = packed.getvalue()
    body = json.dumps(
        {
            "step": step,
            "state": state,
            "arrays": [[name, list(np.shape(a)), str(np.asarray(a).dtype)] for name, a in arrays.items()],
            "npz_sha256": hashlib.sha256(data).hexdigest(),
        }
    )
    manifest = json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body})
    path = manifest_path(folder, step)
    try:
        folder.mkdir(exist_ok=True)  # not its parents: a run whose folder is removed must not make it anew
        write_whole(path.with_suffix(".npz"), data)
        write_whole(path, manifest)
        for other in folder.glob("step-*"):
            if other.stem != path.stem:
                other.unlink()
    except OSError as error:
        raise UserError(f"cannot write the checkpoint {path}: {reason(error)}") from None
    return path


def manifest_path(folder: Path, step: int) -> Path:
    """Where the manifest of a step lies."""
    return folder / f"step-{step:010d}.json"


def latest(folder: Path) -> Path | None:
    """The manifest of the newest complete checkpoint in `folder`, or None."""
    return max(Path(folder).glob("step-*.json"), default=None)


def load(folder: Path) -> tuple[int, dict[str, np.ndarray], dict[str, Any]]:
    """The newest checkpoint of `folder`: step, arrays, state. UserError where there is none or it is damaged."""
    path = latest(folder)
    if path is None:
        raise UserError(f"no checkpoint in {folder}")
    step, state, listed, checksum = _read_manifest(path)
    if path != manifest_path(Path(folder), step):
        raise UserError(f"the checkpoint {path} is damaged: it says that it is of step {step}")
    return step, _read_listed(path.with_suffix(".npz"), listed, checksum), state


Listed = list[tuple[str, list[int], str]]  # the name, shape and dtype of each array


def _read_manifest(path: Path) -> tuple[int, dict[str, Any], Listed, str]:
    """The step, the state, which arrays belong to it, and the checksum of their file."""
    try:
        manifest = json.loads(path.read_bytes())
        body = manifest["body"]
        intact = hashlib.sha256(body.encode()).hexdigest() == manifest["sha256"]
        record = json.loads(body)
        listed = [(str(name), shape, dtype) for name, shape, dtype in record["arrays"]]
        found = int(record["step"]), dict(record["state"].items()), listed, record.get("npz_sha256")
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {path}: {reason(error)}") from None
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UserError(f"the checkpoint {path} is damaged: it is not a manifest") from None
    if not intact:
        raise UserError(f"the checkpoint {path} is damaged: its SHA-256 does not match")
    return found


def _read_listed(data_path: Path, listed: Listed, checksum: str) -> dict[str, np.ndarray]:
    """The arrays that the manifest lists."""
    try:
        data = data_path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {data_path}: {reason(error)}") from None
    if hashlib.sha256(data).hexdigest() != checksum:
        raise UserError(f"the checkpoint {data_path} is damaged: its SHA-256 does not match the manifest")
    try:
        loaded = read_arrays(io.BytesIO(data))
        arrays = {name: loaded[f"array_{i}"] for i, (name, _, _) in enumerate(listed)}
    except (BadArrays, KeyError):  # an object array, or a manifest of another program
        raise UserError(f"the checkpoint {data_path} is damaged: its arrays cannot be read") from None
    for name, shape, dtype in listed:
        if list(arrays[name].shape) != shape or str(arrays[name].dtype) != dtype:
            raise UserError(f"the checkpoint {data_path} is damaged: array {name!r} is not {dtype} {shape}")
    return arrays
