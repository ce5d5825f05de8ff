"""torchref.nn.functional is called as torch.nn.functional is."""

import inspect
import re
import warnings

import numpy as np
import pytest
import torch

import torchref.nn.functional as F
from torchref.nn.any_array import takes_any_array
from torchref.nn.convolution import conv, conv_transpose
from torchref.nn.fractional_pooling import fractional_max_pool
from torchref.nn.max_pooling import max_pool

RENAMED = {"input": "x", "tensor": "x", "logits": "x", "log_probs": "x", "input1": "x1", "input2": "x2"}
OUR_OWN = {"rng", "needs_input_grad"}
# What manual/differences.md says that the functions do not take.
NOT_TAKEN = {"size_average", "reduce", "inplace", "_stacklevel", "out"}
TORCH_NN_HAS_NO = {"flatten", "unflatten"}  # they stand in torch itself
GENERAL = {"conv": conv, "conv_transpose": conv_transpose, "max_pool": max_pool}
GENERAL |= {"fractional_max_pool": fractional_max_pool}


def their_arguments(name):
    """The names of torch's arguments, from its signature, or from the first line of its docstring."""
    function = getattr(torch.nn.functional, f"{name}_with_indices", getattr(torch.nn.functional, name))
    try:
        names = list(inspect.signature(function).parameters)
    except ValueError:
        (arguments,) = re.findall(rf"^{name}\((.*?)\)\s*->", function.__doc__.lstrip(), re.DOTALL)
        names = [argument.split("=")[0].strip() for argument in arguments.split(",") if argument.strip() != "*"]
    return [RENAMED.get(n, n) for n in names]


def our_arguments(name):
    """The parameters of our function, or of the one that it hands its arguments on to."""
    parameters = inspect.signature(getattr(F, name)).parameters
    if "args" in parameters:
        parameters = inspect.signature(GENERAL[re.sub(r"[123]d$", "", name)]).parameters
    return [p for p in parameters.values() if p.name not in ("dimensions", "name")]


@pytest.mark.parametrize("name", sorted(set(F.__all__) - TORCH_NN_HAS_NO))
def test_arguments_are_torchs(name):
    """Catches a call that runs in both and means something else, and an argument of torch's that is missing."""
    theirs, ours = their_arguments(name), our_arguments(name)
    positional = [p.name for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == theirs[: len(positional)]
    assert {p.name for p in ours} - set(theirs) <= OUR_OWN
    assert set(theirs) - {p.name for p in ours} <= NOT_TAKEN | ({"eps"} if name == "gumbel_softmax" else set())


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


@pytest.mark.parametrize("name", F.__all__)
def test_every_function_takes_any_array(name):
    """Catches a function without the decorator, under it twice, or re-exported as another than its file defines."""
    function = getattr(F, name)
    assert function is getattr(inspect.getmodule(function), name)
    assert function.__code__ is takes_any_array(lambda: None).__code__, f"{name} lacks @takes_any_array"
    assert function.__wrapped__ is inspect.unwrap(function)


def test_arrays_by_name_are_arrays_too():
    """Catches promises that are kept for positional arrays alone: of float16, of no dimension, of integers."""
    large = np.full((2, 3), 300, np.float16)
    np.testing.assert_array_equal(F.normalize(x=large)[0], F.normalize(large)[0])  # the squares are infinite in float16
    _, backward = F.tanh(x=np.array(0.5))
    assert isinstance(backward(np.array(1.0)), np.ndarray)
    _, backward = F.relu(x=np.arange(3))
    assert backward(None) is None


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("softmax", (np.ones((2, 3)),), {}),
        ("log_softmax", (np.ones((2, 3)),), {"dtype": np.float32}),
        ("softmin", (np.ones((2, 3)),), {}),
        ("mse_loss", (np.ones(3), np.ones(3)), {"reduction": "elementwise_mean"}),
        ("soft_margin_loss", (np.ones(3), np.ones(3)), {"reduction": "elementwise_mean"}),
        ("upsample_nearest", (np.ones((1, 1, 3)), 6), {}),
        ("dropout2d", (np.ones((2, 3)),), {"training": False}),
    ],
)
def test_warnings_point_to_the_callers_line(name, arguments, options):
    """Catches a warning that names a line of the library, which its reader can't change."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(F, name)(*arguments, **options)
    assert [w.filename for w in caught] == [__file__]
