"""What is timed in the other libraries is the same work: the libraries' gradients agree with each other.

pip install -e .[peers]; pytest tests/benchmarks/test_peers.py
"""

import importlib.util

import numpy as np
import pytest

from tests.benchmarks.peers import LIBRARIES, PEERS

there = [name for name in LIBRARIES if importlib.util.find_spec(name)]


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.skipif(len(there) < 2, reason="two of jax, autograd and mygrad are needed")
@pytest.mark.parametrize("name", PEERS)
def test_the_libraries_agree(name):
    """Catches a formula that is another in one of them, or a gradient that one of them leaves out."""
    found = []
    for library in there:
        try:
            found.append(PEERS[name](library)()[1])  # the gradients; after a training step, the first moments
        except NotImplementedError:
            continue
    first, *others = found
    for other in others:
        for a, b in zip(first, other, strict=True):
            scale = np.abs(np.asarray(a)).max()
            np.testing.assert_allclose(np.asarray(b), np.asarray(a), atol=1e-5 * scale, rtol=0)
