"""What a message proposes for a name that is not known."""

import pytest

from torchref.nearest import SHOWN, nearest


@pytest.mark.parametrize(
    ("value", "known", "message"),
    [
        ("seeed", ["seed", "epochs"], "did you mean 'seed'?"),
        ("layernorm", ["LayerNorm", "layer_norm", "relu"], "did you mean 'LayerNorm' or 'layer_norm'?"),
        ("LINEAR", ["linear", "Linear"], "did you mean 'linear' or 'Linear'?"),
        ("xyz", ["seed", "epochs"], "known: seed, epochs"),
        ("xyz", [], "there is none"),
        ("xyz", [f"name{i}" for i in range(SHOWN + 1)], f"none of the {SHOWN + 1} known names is like it"),
    ],
)
def test_nearest(value, known, message):
    """Catches a name that is lost where two differ in their case, and a list that fills the screen."""
    assert nearest(value, known) == message
