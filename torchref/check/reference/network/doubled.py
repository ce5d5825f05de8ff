"""A file that rounds to float32 is run in float64: of a rounded loss there are no slopes to measure."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np


class _Doubled(ModuleType):
    """NumPy with float64 for float32."""

    float32 = single = np.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@contextmanager
def doubled(code: Any) -> Iterator[None]:
    """The file of a function or a class has float64 where it says np.float32, while the context is open."""
    module = inspect.getmodule(inspect.unwrap(code))
    scope = vars(module) if module is not None else {}
    names = [n for n, v in scope.items() if v is np]
    scope.update(dict.fromkeys(names, _Doubled("numpy")))
    try:
        yield
    finally:
        scope.update(dict.fromkeys(names, np))
