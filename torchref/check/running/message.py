"""A verdict as one JSON document. The process of the user's code writes it, and the judge reads it strictly.

The document is data alone: nothing in it names a class or a function. An array is its shape and its bytes in base64,
a number that JSON does not know is its name: "nan", "inf" or "-inf".
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

import numpy as np

from torchref.check.report.verdict import STATUS, Confidence, Finding, Verdict

__all__ = ["decode", "encode"]

Reader = Callable[[Any], Any]  # gives the value of one part of the document; ValueError if it is of another kind
NOT_FINITE = ("nan", "inf", "-inf")


def encode(verdict: Verdict) -> bytes:
    """The document. Errors: TypeError for a value that it cannot hold."""
    return json.dumps(_plain(verdict), allow_nan=False).encode("ascii")


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Confidence):
        return value.word
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        array = np.asarray(value, dtype="<f8")
        return {"shape": list(value.shape), "dtype": "<f8", "base64": base64.b64encode(array.tobytes()).decode("ascii")}
    if isinstance(value, str | int):
        return str(value) if isinstance(value, str) else int(value)
    number = float(value)
    return number if math.isfinite(number) else str(number)


def decode(document: bytes) -> Verdict:
    """The verdict of a document. Errors: ValueError for whatever `encode` does not write."""
    try:
        verdict: Verdict = VERDICT(json.loads(document.decode("ascii"), parse_constant=_refuse))
        return verdict
    except (ValueError, ArithmeticError, RecursionError) as problem:  # a number of 400 digits, 10,000 brackets
        raise ValueError(f"the verdict cannot be read: {problem}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _text(value: Any) -> str:
    """A text that can be printed: half a surrogate pair becomes its escape."""
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {_kind(value)}")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _outcome(value: Any) -> str:
    if not isinstance(value, str) or value not in STATUS:
        raise ValueError(f"expected one of {', '.join(STATUS)}, found {_kind(value)}")
    return value


def _confidence(value: Any) -> Confidence:
    found = next((c for c in Confidence if c.word == value), None)
    if found is None:
        raise ValueError(f"expected one of {', '.join(c.word for c in Confidence)}, found {_kind(value)}")
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in NOT_FINITE):
        raise ValueError(f"expected a number, found {_kind(value)}")
    return float(value)


def _length(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"expected a length, found {_kind(value)}")
    return value


def _array_type(value: Any) -> str:
    if value != "<f8":
        raise ValueError(f"expected the dtype <f8, found {_kind(value)}")
    return "<f8"


def _raw(value: Any) -> bytes:
    return base64.b64decode(_text(value), validate=True)


def _array(value: Any) -> np.ndarray:
    parts = ARRAY(value)
    shape, data = tuple(parts["shape"]), parts["base64"]
    if len(data) != 8 * math.prod(shape):
        raise ValueError(f"{len(data)} bytes are no array of shape {shape}")
    return np.frombuffer(data, parts["dtype"]).reshape(shape)


def _list_of(read: Reader) -> Reader:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, found {_kind(value)}")
        return [read(v) for v in value]

    return read_list


def _names_of(read: Reader) -> Reader:
    """A dictionary with any keys."""

    def read_names(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"expected a dictionary, found {_kind(value)}")
        return {_text(k): read(v) for k, v in value.items()}

    return read_names


def _record(make: Callable[..., Any], **readers: Reader) -> Reader:
    """A dictionary with these keys, no more and no fewer."""

    def read_record(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"expected the fields {', '.join(readers)}, found {_kind(value)}")
        if apart := sorted(value.keys() ^ readers.keys()):
            raise ValueError(f"expected the fields {', '.join(readers)} and no other; the two differ in {_kind(apart)}")
        return make(**{name: read(value[name]) for name, read in readers.items()})

    return read_record


def _kind(value: Any) -> str:
    """The value in a few words, for a message."""
    if isinstance(value, dict):
        return f"the fields {', '.join(map(ascii, list(value)[:12])) or 'of nothing'}"
    return ascii(value)[:60]


ARRAY = _record(dict, shape=_list_of(_length), dtype=_array_type, base64=_raw)
FINDING = _record(
    Finding,
    gradient=_text,
    slug=_text,
    evidence=_text,
    confidence=_confidence,
    sentence=_text,
    correction=_text,
    consequences=_list_of(_text),
    derivation=_text,
    formula=_text,
    intermediate=_text,
    line=_length,
    example=_text,
)
VERDICT = _record(
    Verdict,
    verdict=_outcome,
    against=_text,
    name=_text,
    file=_text,
    form=_text,
    seconds=_number,
    findings=_list_of(FINDING),
    right=_names_of(_number),
    notes=_list_of(_text),
    yours=_names_of(_text),
    error=_text,
    called=_text,
    option=_text,
    not_judged=_names_of(_text),
    not_run=_list_of(_text),
    precision=_text,
    device=_text,
    source=_list_of(_record(dict, first=_length, text=_text)),
    pictures=_list_of(_record(dict, name=_text, mine=_array, reference=_array)),
)
