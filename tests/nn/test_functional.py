"""torchref.nn.functional is called as torch.nn.functional is."""

import inspect

import numpy as np
import pytest
import torch

import torchref.nn.functional as F

# Functions whose arrays that have gradients come first, ahead of torch's order.
ARRAYS_FIRST = {"embedding_bag"}
RENAMED = {"input1": "x1", "input2": "x2", "log_probs": "x"}


def documented(name):
    """torch's own signature, where it has one that Python can read."""
    try:
        return inspect.signature(getattr(torch.nn.functional, name)).parameters
    except (ValueError, AttributeError):
        return {}


@pytest.mark.parametrize("name", F.__all__)
def test_positional_arguments_stand_in_torchs_order(name):
    """Catches a call that runs in both and means something else: an argument in another place."""
    theirs = [RENAMED.get(n, n) for n in documented(name)]
    if not theirs or theirs[1:2] == ["kwargs"] or name in ARRAYS_FIRST:
        return
    theirs[0] = "x" if theirs[0] in ("input", "tensor", "logits") else theirs[0]
    ours = [
        p.name for p in inspect.signature(getattr(F, name)).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    assert ours == theirs[: len(ours)]


@pytest.mark.parametrize(
    ("name", "shapes", "arguments"),
    [
        ("conv2d", ((2, 4, 7, 5), (6, 2, 3, 3), (6,)), (2, 1, 1, 2)),
        ("conv_transpose2d", ((2, 4, 5, 3), (4, 3, 3, 3), (6,)), (2, 1, 1, 2)),
        ("max_pool2d", ((2, 3, 7, 5),), (3, 2, 1)),
        ("avg_pool2d", ((2, 3, 7, 5),), (3, 2, 1)),
        ("softmax", ((3, 5),), (1,)),
        ("leaky_relu", ((3, 5),), (0.3,)),
        ("gelu", ((3, 5),), ()),
        ("layer_norm", ((3, 5),), ((5,),)),
        ("softplus", ((3, 5),), (2.0, 0.5)),
        ("normalize", ((3, 5),), (3.0, 0)),
        ("cosine_similarity", ((3, 5), (3, 5)), (0, 1e-6)),
        ("pixel_shuffle", ((2, 8, 3, 3),), (2,)),
        ("pad", ((2, 3, 5),), ((1, 2), "reflect")),
        ("interpolate", ((2, 3, 5, 4),), ((7, 3), None, "bilinear")),
    ],
)
def test_the_same_call_gives_the_same_in_both(name, shapes, arguments):
    """Catches a positional call that torch's users write and that fails or differs here."""
    rng = np.random.default_rng(7)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    output, backward = getattr(F, name)(*arrays, *arguments)
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays]
    expected = getattr(torch.nn.functional, name)(*tensors, *arguments)
    np.testing.assert_allclose(output, expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    dy = rng.standard_normal(output.shape)
    expected.backward(torch.from_numpy(dy))
    gradients = backward(dy)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for gradient, leaf in zip(gradients, tensors, strict=False):
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-11, atol=1e-12)
