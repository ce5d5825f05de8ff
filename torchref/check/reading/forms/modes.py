"""Training and evaluation of a class: the attribute, or the methods, that switch between the two."""

from __future__ import annotations

from typing import Any

from torchref.check.reading.arguments import normal
from torchref.check.reading.forms.attributes import members
from torchref.check.reading.forms.calling import guarded

SWITCHES = ("training", "train", "istraining", "istrain", "trainmode", "trainflg", "trainflag")
MODES = ("mode", "phase")  # these hold a word


def switch(instance: Any, training: bool) -> bool:
    """Put an instance into training or into evaluation; whether it has anything that says which."""
    found = False
    for key, value in members(instance).items():
        if isinstance(value, bool) and normal(key.strip("_")) in SWITCHES:
            setattr(instance, key, training)
            found = True
        elif isinstance(value, str) and key in MODES and value in ("train", "test", "eval"):
            setattr(instance, key, "train" if training else "eval" if value == "eval" else "test")
            found = True
    for name in ("train",) if training else ("eval", "test"):
        method = getattr(instance, name, None)
        if callable(method) and not found:
            guarded(f"{name}()", method)
    return found
