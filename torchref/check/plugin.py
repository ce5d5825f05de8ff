"""The pytest plugin: a fixture `assert_gradient(function, against=...)`, and how much it tells."""

from __future__ import annotations

import os
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of pytest's own file."""
    said = "how much assert_gradient tells: 0 right or wrong, 1 which gradient, 2 what kind of mistake, 3 all"
    parser.addini("torchref_hints", said, default="")


@pytest.fixture
def assert_gradient(request: pytest.FixtureRequest) -> Any:
    """`assert_gradient(function, against="layer_norm")` fails with the diagnosis if the gradient is not right.

    `hints` chooses how much it tells; else the environment variable TORCHREF_HINTS, else `torchref_hints` of
    pytest's own file.
    """
    from torchref.check.api import HINTS, level_of_hints
    from torchref.check.api import assert_gradient as function

    written = request.config.getini("torchref_hints")

    def as_configured(*args: Any, hints: int | None = None, **kwargs: Any) -> None:
        __tracebackhide__ = True
        if hints is None and not os.environ.get(HINTS) and written:
            hints = level_of_hints(written, "torchref_hints")
        function(*args, hints=hints, **kwargs)

    return as_configured
