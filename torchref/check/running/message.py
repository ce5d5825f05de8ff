"""A verdict as one JSON document, written by the process that runs the user's code and read strictly by the judge.

The document is data alone: nothing in it names a class or a function. An array is its shape and its bytes in base64,
a number that JSON does not know is its name ("nan", "inf", "-inf").
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
    return json.dumps(plain(verdict), allow_nan=False).encode("ascii")


def plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Confidence):
        return value.word
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        array = np.asarray(value, dtype="<f8")
        return {"shape": list(value.shape), "dtype": "<f8", "base64": base64.b64encode(array.tobytes()).decode("ascii")}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else str(number)


def decode(document: bytes) -> Verdict:
    """The verdict of a document. Errors: ValueError for whatever `encode` does not write."""
    try:
        verdict: Verdict = VERDICT(json.loads(document.decode("ascii"), parse_constant=refuse))
        return verdict
    except (ValueError, ArithmeticError, RecursionError) as problem:  # a number of 400 digits, 10,000 brackets
        raise ValueError(f"the verdict cannot be read: {problem}") from None


def refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def text(value: Any) -> str:
    """A text that can be printed: half a surrogate pair becomes its escape."""
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {kind(value)}")
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def outcome(value: Any) -> str:
    if not isinstance(value, str) or value not in STATUS:
        raise ValueError(f"expected one of {', '.join(STATUS)}, found {kind(value)}")
    return value


def confidence(value: Any) -> Confidence:
    found = next((c for c in Confidence if c.word == value), None)
    if found is None:
        raise ValueError(f"expected one of {', '.join(c.word for c in Confidence)}, found {kind(value)}")
    return found


def number(value: Any) -> float:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in NOT_FINITE):
        raise ValueError(f"expected a number, found {kind(value)}")
    return float(value)


def length(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"expected a length, found {kind(value)}")
    return value


def array_type(value: Any) -> str:
    if value != "<f8":
        raise ValueError(f"expected the dtype <f8, found {kind(value)}")
    return "<f8"


def raw(value: Any) -> bytes:
    return base64.b64decode(text(value), validate=True)


def array(value: Any) -> np.ndarray:
    parts = ARRAY(value)
    shape, data = tuple(parts["shape"]), parts["base64"]
    if len(data) != 8 * math.prod(shape):
        raise ValueError(f"{len(data)} bytes are no array of shape {shape}")
    return np.frombuffer(data, parts["dtype"]).reshape(shape)


def list_of(read: Reader) -> Reader:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, found {kind(value)}")
        return [read(v) for v in value]

    return read_list


def names_of(read: Reader) -> Reader:
    """A dictionary whose keys are free."""

    def read_names(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"expected a dictionary, found {kind(value)}")
        return {text(k): read(v) for k, v in value.items()}

    return read_names


def record(make: Callable[..., Any], **readers: Reader) -> Reader:
    """A dictionary with these keys, no more and no fewer."""

    def read_record(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"expected the fields {', '.join(readers)}, found {kind(value)}")
        if apart := sorted(value.keys() ^ readers.keys()):
            raise ValueError(f"expected the fields {', '.join(readers)}, and no other; apart are {kind(apart)}")
        return make(**{name: read(value[name]) for name, read in readers.items()})

    return read_record


def kind(value: Any) -> str:
    """What stands there, in a few words."""
    if isinstance(value, dict):
        return f"the fields {', '.join(map(ascii, list(value)[:12])) or 'of nothing'}"
    return ascii(value)[:60]


ARRAY = record(dict, shape=list_of(length), dtype=array_type, base64=raw)
FINDING = record(
    Finding,
    gradient=text,
    slug=text,
    evidence=text,
    confidence=confidence,
    sentence=text,
    correction=text,
    consequences=list_of(text),
    derivation=text,
    formula=text,
    intermediate=text,
    line=length,
    example=text,
)
VERDICT = record(
    Verdict,
    verdict=outcome,
    against=text,
    name=text,
    file=text,
    form=text,
    seconds=number,
    findings=list_of(FINDING),
    right=names_of(number),
    notes=list_of(text),
    yours=names_of(text),
    error=text,
    called=text,
    option=text,
    not_judged=names_of(text),
    not_run=list_of(text),
    precision=text,
    device=text,
    source=list_of(record(dict, first=length, text=text)),
    pictures=list_of(record(dict, name=text, mine=array, reference=array)),
)
