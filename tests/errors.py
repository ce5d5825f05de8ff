"""Errors must be torch's: the same exception type, and a message that names what is wrong."""

from collections.abc import Callable
from typing import Any

import pytest


def assert_same_error(ours: Callable[[], Any], theirs: Callable[[], Any], *fragments: str) -> None:
    """Both raise the same exception type, and our message holds each of `fragments`."""
    with pytest.raises(Exception) as torch_error:
        theirs()
    with pytest.raises(torch_error.type) as our_error:
        ours()
    for fragment in fragments:
        assert fragment in str(our_error.value), f"{fragment!r} not in {our_error.value}"
