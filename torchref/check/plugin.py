"""The pytest plugin: a fixture `assert_gradient(function, against=...)`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def assert_gradient() -> Any:
    """`assert_gradient(function, against="layer_norm")` fails with the diagnosis if the gradient is not right."""
    from torchref.check.api import assert_gradient as function

    return function
