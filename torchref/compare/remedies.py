"""Say how to mend a mistake in a user's file that Python, NumPy or a layer has found."""

from __future__ import annotations

import inspect
import linecache
import re
import traceback
from collections.abc import Iterable
from types import FrameType, ModuleType
from typing import Any

from torchref.nearest import nearest

__all__ = ["remedy"]

KEYWORD = re.compile(r"([\w.]+?)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
CALLED = re.compile(r"(\w+)\.(\w+)\(")
SAYINGS = {  # what Python, torchref or torch says -> what to write instead
    r"backward\(\) takes 0 positional arguments": "it is given the gradient of forward's output: def backward(dy)",
    r"optimizer can only optimize Tensors": "make it of the `optim` that the function is given: optim.Adam(parameters)",
    r"must be Tensor, not numpy\.ndarray": "this network is NumPy's: write it with NumPy and torchref.nn",
    r"must be numpy\.ndarray, not Tensor": "this network is torch's: write it with torch and torch.nn",
    r"does not require grad": "the output is cut off from the weights: leave out detach(), numpy() and torch.no_grad()",
}
IN_PLACE = re.compile(r"\s*([\w.]+(?:\[.*\])?) *(\*\*|//|[-+*/@%]|)= *([^=#].*?) *(#.*)?$")


def remedy(error: BaseException) -> str:
    """What to write instead, ": did you mean 'Tanh'?"; empty where that is not known."""
    if "did you mean" in str(error).lower():  # Python 3.13 has said it
        return ""
    if isinstance(error, ValueError) and "read-only" in str(error):
        return _in_place(error)
    if isinstance(error, AttributeError) and isinstance(error.name, str) and error.obj is not None:
        names = [name for name in getattr(error.obj, "__all__", dir(error.obj)) if not name.startswith("_")]
        return _meant(error.name, names)
    if isinstance(error, TypeError) and (found := KEYWORD.match(str(error))):
        return _keyword(error, *found.groups())
    if isinstance(error, TypeError) and str(error) == "'module' object is not callable":
        return _capital(error)
    return next((f": {said}" for pattern, said in SAYINGS.items() if re.search(pattern, str(error))), "")


def _capital(error: BaseException) -> str:
    """The class for whose module its name in small letters stands: nn.Linear for nn.linear."""
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    for holder, name in CALLED.findall(linecache.getline(frame.f_code.co_filename, line)):
        place = ({**frame.f_globals, **frame.f_locals}).get(holder)
        for other in dir(place) if isinstance(getattr(place, name, None), ModuleType) else ():
            if other != name and other.lower() == name.replace("_", "").lower():
                return f": did you mean {holder}.{other}?"
    return ""


def _meant(name: str, known: Iterable[str]) -> str:
    """A known name that is like it, or whose letters are its words' first ones: lr for learning_rate."""
    known = list(known)
    initials = "".join(word[:1] for word in name.split("_"))
    if "_" in name and initials in known:
        return f": did you mean {initials!r}?"
    said = nearest(name, known)
    return f": {said}" if said.startswith(("did you mean", "known")) else ""


def _keyword(error: BaseException, called: str, name: str) -> str:
    """The parameters of what was called, as the frames of the error know it: by name, or in a module."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        function = _find(frame, called.rpartition(".")[2])
        if function is not None:
            kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            parameters = inspect.signature(function).parameters.values()
            return _meant(name, [p.name for p in parameters if p.kind not in kinds])
    return ""


def _find(frame: FrameType, name: str) -> Any:
    """What is called `name` in a frame, or in a module that it knows."""
    for value in ({**frame.f_globals, **frame.f_locals}).values():
        if callable(value) and getattr(value, "__name__", None) == name:
            return value
        if isinstance(value, ModuleType) and callable(getattr(value, name, None)):
            return getattr(value, name)
    return None


def _in_place(error: BaseException) -> str:
    """The remedy where `x *= 2` writes into an array that belongs to the caller."""
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    found = IN_PLACE.match(linecache.getline(frame.f_code.co_filename, line).rstrip())
    if found is None or not found[2] or "[" in found[1]:
        return ": what a network is handed is not its own: write into a copy, x = x.copy()"
    name, sign, value = found[1], found[2], found[3]
    value = value if re.fullmatch(r"[\w.]+|\w+\(.*\)", value) else f"({value})"
    return f": what a network is handed is not its own: write {name} = {name} {sign} {value}"
