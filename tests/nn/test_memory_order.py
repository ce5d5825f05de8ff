"""What the order of arrays in memory must not change, beyond the modules one by one (see tests/checks.py): whole
networks beside torch, lazy modules, initial weights, what nn.utils does to parameters; and arrays that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from tests.layouts import layouts
from torchref.check.tolerance.bound import bound
from torchref.nn import Parameter, init, utils
from torchref.nn import functional as F

SEED = 41
FLOAT64 = np.dtype(np.float64)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).standard_normal(shape)


def close(actual: Any, expected: Any, said: str) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, said
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound(1.0, FLOAT64), err_msg=f"seed {SEED}, {said}")


# --- networks beside torch --------------------------------------------------------------------------------------------


def classifier(nn: Any) -> Any:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))


def strided_classifier(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )


def generator(nn: Any) -> Any:
    return nn.Sequential(
        nn.ConvTranspose2d(3, 4, 3), nn.Tanh(), nn.ConvTranspose2d(4, 2, 2, stride=2), nn.AdaptiveMaxPool2d((3, 5))
    )


IMAGES = drawn(2, 3, 9, 11)
HEIGHT_WIDTH_CHANNELS = drawn(2, 9, 11, 3)
AS_PEOPLE_HAVE_THEM = {
    "Fortran": np.asfortranarray(IMAGES),
    "channels last": np.moveaxis(HEIGHT_WIDTH_CHANNELS, -1, 1),
    "turned": np.rot90(drawn(2, 3, 11, 9), axes=(2, 3)),
    "mirrored": IMAGES[..., ::-1],
    "every second row": drawn(2, 3, 18, 11)[:, :, ::2],
    "transposed": drawn(2, 3, 11, 9).swapaxes(2, 3),
    "one channel repeated": np.broadcast_to(drawn(2, 1, 9, 11), (2, 3, 9, 11)),
}


@pytest.mark.parametrize("image", AS_PEOPLE_HAVE_THEM)
@pytest.mark.parametrize("network", [classifier, strided_classifier, generator])
def test_a_network_beside_torch(network: Any, image: str) -> None:
    """Catches a gradient that leaves one layer in another order than the layer before it can take."""
    x = AS_PEOPLE_HAVE_THEM[image]
    torch.manual_seed(SEED)
    theirs = network(torch.nn).double()
    ours = network(torchref.nn).double()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    their_x = torch.from_numpy(x.copy()).requires_grad_()
    their_y = theirs(their_x)
    dy = np.asfortranarray(np.random.default_rng(SEED + 1).standard_normal(their_y.shape))
    their_y.backward(torch.from_numpy(dy.copy()))
    y, backward = ours(x)
    close(y, their_y.detach().numpy(), "output")
    close(backward(dy), their_x.grad.numpy(), "gradient of the input")
    for (name, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        close(parameter.grad, other.grad.numpy(), f"gradient of {name}")


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (lambda nn: nn.LazyConv1d(5, 3), (2, 3, 7)),
        (lambda nn: nn.LazyConv2d(5, 3), (2, 3, 7, 5)),
        (lambda nn: nn.LazyConv3d(5, 2), (2, 3, 5, 3, 4)),
        (lambda nn: nn.LazyConvTranspose2d(5, 3), (2, 3, 7, 5)),
        (lambda nn: nn.LazyConvTranspose3d(2, 2, stride=2), (2, 3, 5, 3, 4)),
        (lambda nn: nn.LazyLinear(5), (2, 3, 7)),
        (lambda nn: nn.LazyBatchNorm2d(), (2, 3, 7, 5)),
        (lambda nn: nn.LazyInstanceNorm2d(), (2, 3, 7, 5)),
    ],
)
def test_lazy_modules(module: Any, shape: tuple[int, ...]) -> None:
    """Catches a lazy module that takes its shapes or its first step from the memory instead of the array."""
    x = drawn(*shape)

    def step(array: np.ndarray) -> list[np.ndarray]:
        torchref.manual_seed(SEED)
        made = module(torchref.nn)
        y, backward = made(array.astype(np.float32, order="K"))
        dx = backward(np.asfortranarray(np.ones_like(y)))
        return [y, dx, *(p.grad for p in made.parameters())]

    expected = step(x)
    for name, lay_out in layouts(x).items():
        for actual, array in zip(step(lay_out(x)), expected, strict=True):
            np.testing.assert_allclose(actual, array, rtol=1e-4, atol=1e-4, err_msg=f"seed {SEED}, {name}")


# --- initial weights and nn.utils -------------------------------------------------------------------------------------

FILLED = {
    "uniform_": lambda array, rng: init.uniform_(array, rng=rng),
    "normal_": lambda array, rng: init.normal_(array, rng=rng),
    "trunc_normal_": lambda array, rng: init.trunc_normal_(array, a=-0.5, b=1.0, rng=rng),
    "constant_": lambda array, _: init.constant_(array, 0.3),
    "eye_": lambda array, _: init.eye_(array[:, :, 0]),
    "dirac_": lambda array, _: init.dirac_(array),
    "xavier_uniform_": lambda array, rng: init.xavier_uniform_(array, rng=rng),
    "xavier_normal_": lambda array, rng: init.xavier_normal_(array, rng=rng),
    "kaiming_uniform_": lambda array, rng: init.kaiming_uniform_(array, rng=rng),
    "kaiming_normal_": lambda array, rng: init.kaiming_normal_(array, rng=rng),
    "orthogonal_": lambda array, rng: init.orthogonal_(array, rng=rng),
    "sparse_": lambda array, rng: init.sparse_(array[:, :, 0], 0.3, rng=rng),
}


@pytest.mark.parametrize("name", FILLED)
def test_initial_weights(name: str) -> None:
    """Catches draws that go into a copy of the array, or along its memory instead of its axes."""
    start = np.zeros((5, 3, 2))
    expected = start.copy()
    FILLED[name](expected, np.random.default_rng(SEED))
    assert np.any(expected)
    for layout, lay_out in layouts(start).items():
        array = lay_out(start)
        FILLED[name](array, np.random.default_rng(SEED))
        np.testing.assert_array_equal(array, expected, err_msg=f"seed {SEED}, {layout}")


def with_gradients(lay_out: Any) -> list[Parameter]:
    rng = np.random.default_rng(SEED)
    parameters = [Parameter(lay_out(rng.standard_normal((5, 3, 2)))) for _ in range(3)]
    for parameter in parameters:
        parameter.grad = lay_out(rng.standard_normal((5, 3, 2)))
    return parameters


def clipped_by_norm(parameters: list[Parameter]) -> list[Any]:
    return [utils.clip_grad_norm_(parameters, 0.3, 1.5), *(p.grad for p in parameters)]


def clipped_by_value(parameters: list[Parameter]) -> list[Any]:
    utils.clip_grad_value_(parameters, 0.3)
    return [p.grad for p in parameters]


def as_vector(parameters: list[Parameter]) -> list[Any]:
    vector = utils.parameters_to_vector(parameters)
    utils.vector_to_parameters(np.stack([vector * 2, vector])[:, ::-1][0], parameters)
    return [vector, *(p.data for p in parameters)]


@pytest.mark.parametrize("function", [clipped_by_norm, clipped_by_value, as_vector])
def test_what_utils_do_to_parameters(function: Any) -> None:
    """Catches a norm, a bound or a vector that goes along the memory."""
    expected = function(with_gradients(lambda array: array))
    for name, lay_out in layouts(np.zeros((5, 3, 2))).items():
        for actual, array in zip(function(with_gradients(lay_out)), expected, strict=True):
            close(actual, array, name)


def weight_normalized(conv: Any, _: Any) -> Any:
    return utils.parametrizations.weight_norm(conv)


def spectrally_normalized(conv: Any, _: Any) -> Any:
    torchref.manual_seed(SEED)
    return utils.parametrizations.spectral_norm(conv, dim=1)


def fused(conv: Any, norm: Any) -> Any:
    return utils.fuse_conv_bn_eval(conv.eval(), norm.eval())


@pytest.mark.parametrize("change", [weight_normalized, spectrally_normalized, fused])
def test_changed_layers(change: Any) -> None:
    """Catches a parametrization or a fusion that cuts the weight's memory instead of the weight."""
    weight, x = drawn(5, 3, 2, 4), drawn(2, 3, 6, 7)

    def step(array: np.ndarray) -> list[Any]:
        conv, norm = torchref.nn.Conv2d(3, 5, (2, 4), dtype=np.float64), torchref.nn.BatchNorm2d(5).double()
        conv.weight.data, conv.bias.data = array, drawn(5)
        norm.running_mean, norm.running_var = drawn(5), drawn(5) ** 2
        layer = change(conv, norm)
        y, backward = layer(x)
        return [y, backward(np.asfortranarray(y)), *(p.grad for p in layer.parameters())]

    expected = step(weight)
    for name, lay_out in layouts(weight).items():
        for actual, array in zip(step(lay_out(weight)), expected, strict=True):
            scale = np.abs(array).max()
            close(actual / scale, array / scale, name)


# --- arrays that are refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convert", "error", "said"),
    [
        (np.asmatrix, TypeError, r"relu\(\): argument 'input' must be a plain numpy.ndarray, not matrix"),
        (np.ma.masked_array, TypeError, r"relu\(\): argument 'input' must be a plain numpy.ndarray, not MaskedArray"),
        (
            lambda x: x.astype(x.dtype.newbyteorder()),
            ValueError,
            r"relu\(\): argument 'input' has the byte order of another machine",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_that_compute_otherwise_are_refused(convert: Any, error: type[Exception], said: str) -> None:
    """Catches a matrix whose `*` is another product, a mask that is forgotten, a dtype that no result would keep."""
    with pytest.raises(error, match=said):
        F.relu(convert(drawn(3, 3)))


def test_byte_order_is_refused_by_torch_too() -> None:
    """Catches a torch that has learned to take it."""
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(drawn(3).astype(FLOAT64.newbyteorder()))


def test_a_memory_map_is_an_array(tmp_path: Any) -> None:
    """Catches a subclass that is refused although it computes as an array does."""
    np.save(tmp_path / "x.npy", drawn(2, 3, 5, 7))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    weight = drawn(4, 3, 3, 3)
    y, backward = F.conv2d(x, weight)
    expected, expected_backward = F.conv2d(np.array(x), weight)
    np.testing.assert_array_equal(y, expected)
    for actual, array in zip(backward(y)[:2], expected_backward(expected)[:2], strict=True):
        np.testing.assert_array_equal(actual, array)
