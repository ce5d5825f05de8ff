"""Initialisers: exact where nothing is drawn; else bounds, moments and the distribution itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import torchref
from torchref.nn import Parameter, init

EXACT: dict[str, Any] = {
    "constant_": (lambda i, w: i.constant_(w, 0.3), (3, 5)),
    "ones_": (lambda i, w: i.ones_(w), (3, 5)),
    "zeros_": (lambda i, w: i.zeros_(w), (3, 5)),
    "eye_": (lambda i, w: i.eye_(w), (3, 5)),
    "eye_ tall": (lambda i, w: i.eye_(w), (5, 3)),
    "dirac_ 1": (lambda i, w: i.dirac_(w), (5, 3, 3)),
    "dirac_ 2": (lambda i, w: i.dirac_(w), (3, 5, 3, 2)),
    "dirac_ 3": (lambda i, w: i.dirac_(w), (3, 5, 2, 3, 4)),
    "dirac_ groups": (lambda i, w: i.dirac_(w, 2), (6, 2, 3)),
}


@pytest.mark.parametrize("case", EXACT)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exact(case: str, dtype: str) -> None:
    """Catches a 1 at another place, an entry that is left as it was, a dtype that changes."""
    call, shape = EXACT[case]
    ours, theirs = np.full(shape, 7, dtype), torch.full(shape, 7.0, dtype=getattr(torch, dtype))
    assert call(init, ours) is ours
    call(torch.nn.init, theirs)
    assert ours.dtype == dtype
    assert np.array_equal(ours, theirs.numpy())


NONLINEARITIES = ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
NONLINEARITIES += [f"conv{t}{d}d" for t in ("", "_transpose") for d in (1, 2, 3)]


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_gain(nonlinearity: str) -> None:
    """Catches a gain that is off, or a slope that is ignored."""
    for param in (None, 0.3, 2):
        assert init.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(nonlinearity, param)


def cdf_of(kind: str, *parameters: float) -> Any:
    return getattr(stats, kind)(*parameters).cdf


SHAPE = (40, 30, 5)  # fan_in 150, fan_out 200
S = math.sqrt
RANDOM: dict[str, tuple[Any, Any]] = {
    "uniform_": (lambda i, w, **k: i.uniform_(w, **k), cdf_of("uniform", 0, 1)),
    "uniform_ a b": (lambda i, w, **k: i.uniform_(w, -2.0, 1.5, **k), cdf_of("uniform", -2, 3.5)),
    "normal_": (lambda i, w, **k: i.normal_(w, **k), cdf_of("norm", 0, 1)),
    "normal_ mean std": (lambda i, w, **k: i.normal_(w, -2.0, 0.3, **k), cdf_of("norm", -2, 0.3)),
    "xavier_uniform_": (
        lambda i, w, **k: i.xavier_uniform_(w, 1.7, **k),
        cdf_of("uniform", -1.7 * S(6 / 350), 3.4 * S(6 / 350)),
    ),
    "xavier_normal_": (lambda i, w, **k: i.xavier_normal_(w, 1.7, **k), cdf_of("norm", 0, 1.7 * S(2 / 350))),
    "kaiming_uniform_": (
        lambda i, w, **k: i.kaiming_uniform_(w, **k),
        cdf_of("uniform", -S(6 / 150), 2 * S(6 / 150)),
    ),
    "kaiming_uniform_ fan_out": (
        lambda i, w, **k: i.kaiming_uniform_(w, 0.5, "fan_out", **k),
        cdf_of("uniform", -S(6 / 1.25 / 200), 2 * S(6 / 1.25 / 200)),
    ),
    "kaiming_normal_": (lambda i, w, **k: i.kaiming_normal_(w, **k), cdf_of("norm", 0, S(2 / 150))),
    "kaiming_normal_ tanh": (
        lambda i, w, **k: i.kaiming_normal_(w, 0, "fan_out", "tanh", **k),
        cdf_of("norm", 0, 5 / 3 / S(200)),
    ),
    "trunc_normal_": (lambda i, w, **k: i.trunc_normal_(w, **k), cdf_of("truncnorm", -2, 2)),
    "trunc_normal_ one side": (
        lambda i, w, **k: i.trunc_normal_(w, 1.0, 2.0, 0.0, 9.0, **k),
        cdf_of("truncnorm", -0.5, 4, 1, 2),
    ),
    "trunc_normal_ tail": (
        lambda i, w, **k: i.trunc_normal_(w, 0.0, 1.0, 1.5, 3.0, **k),
        cdf_of("truncnorm", 1.5, 3, 0, 1),
    ),
    "trunc_normal_ narrow": (
        lambda i, w, **k: i.trunc_normal_(w, 0.0, 1.0, -0.1, 0.2, **k),
        cdf_of("truncnorm", -0.1, 0.2, 0, 1),
    ),
    "sparse_ without zeros": (
        lambda i, w, **k: i.sparse_(w.reshape(200, 30), 0.0, 0.3, **k),
        cdf_of("norm", 0, 0.3),
    ),
}


@pytest.mark.parametrize("case", RANDOM)
def test_distribution(case: str) -> None:
    """Catches a wrong bound, spread or shape: Kolmogorov and Smirnov's test of 6000 draws; torch's pass it, too."""
    call, cdf = RANDOM[case]
    ours = np.empty(SHAPE, np.float64)
    call(init, ours, rng=np.random.default_rng(11))
    theirs = torch.empty(SHAPE, dtype=torch.float64)
    torch.manual_seed(11)
    call(torch.nn.init, theirs)
    for name, draws in (("ours", ours), ("torch's", theirs.numpy())):
        assert stats.kstest(draws.reshape(-1), cdf).pvalue > 0.01, f"{case}: {name}"
    # Entries do not depend on their neighbours.
    centred = ours - ours.mean()
    assert abs(np.mean(centred[1:] * centred[:-1])) < 0.06 * centred.var(), case


@pytest.mark.parametrize("case", RANDOM)
def test_rng_and_dtype(case: str) -> None:
    """Catches an rng that is ignored, a float32 array that changes, a Parameter whose array is replaced."""
    call, _ = RANDOM[case]
    if "sparse" in case:
        pytest.skip("it works on a reshaped view here")
    one, two = np.empty(SHAPE, np.float32), Parameter(np.empty(SHAPE, np.float32))
    held = two.data
    assert call(init, one, rng=np.random.default_rng(5)) is one
    assert call(init, two, rng=np.random.default_rng(5)) is two
    assert two.data is held
    assert one.dtype == np.float32
    assert np.array_equal(one, two.data)
    torchref.manual_seed(5)
    call(init, one)
    assert np.array_equal(one, two.data), "the default generator is another"
    call(init, one)
    assert not np.array_equal(one, two.data)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 5), (7, 2, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal(shape: tuple[int, ...], dtype: Any) -> None:
    """Catches rows that are not orthonormal, and a gain that is squared."""
    array = np.empty(shape, dtype)
    init.orthogonal_(array, 1.7, rng=np.random.default_rng(3))
    rows = array.reshape(shape[0], -1)
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    assert array.dtype == dtype
    np.testing.assert_allclose(gram, 1.7**2 * np.eye(len(gram)), atol=1e-5 if dtype == np.float32 else 1e-12)


def test_orthogonal_is_even() -> None:
    """Catches Q without the signs of R: its diagonal would be negative more often, as Householder's reflections are."""
    rng = np.random.default_rng(3)
    first = np.array([init.orthogonal_(np.empty((3, 3)), rng=rng)[0, 0] for _ in range(2000)])
    # An entry of an evenly distributed rotation in 3 dimensions is even in [-1, 1].
    assert stats.kstest(first, cdf_of("uniform", -1, 2)).pvalue > 0.01


@given(rows=st.integers(1, 11), columns=st.integers(1, 7), sparsity=st.floats(0, 1))
def test_sparse(rows: int, columns: int, sparsity: float) -> None:
    """Catches a column with another number of zeros, or zeros at the same places in each."""
    array = np.empty((rows, columns))
    init.sparse_(array, sparsity, rng=np.random.default_rng(1))
    theirs = torch.nn.init.sparse_(torch.empty(rows, columns), sparsity)
    assert np.array_equal((array == 0).sum(axis=0), (theirs == 0).sum(dim=0).numpy())


def test_sparse_places_differ() -> None:
    """Catches one permutation for all columns."""
    array = np.empty((50, 20))
    init.sparse_(array, 0.5, 0.3, rng=np.random.default_rng(1))
    zero = array == 0
    assert not np.all(zero == zero[:, :1])
    assert abs(array[~zero].std() - 0.3) < 0.03


def test_strided_arrays_are_filled() -> None:
    """Catches a fill that goes into a copy."""
    wide = np.zeros((7, 10))
    for call in (init.trunc_normal_, init.orthogonal_, init.uniform_, lambda w: init.sparse_(w, 0.3)):
        wide[...] = 0
        call(wide[:, ::2])
        assert np.count_nonzero(wide[:, ::2]) >= 20
        assert not wide[:, 1::2].any()


WRONG: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "eye_": (lambda i, w: i.eye_(w), (3,), r"\(3,\)"),
    "dirac_": (lambda i, w: i.dirac_(w), (3, 5), r"\(3, 5\)"),
    "dirac_ groups": (lambda i, w: i.dirac_(w, 2), (3, 5, 2), "groups=2"),
    "xavier_uniform_": (lambda i, w: i.xavier_uniform_(w), (3,), r"\(3,\)"),
    "xavier_normal_": (lambda i, w: i.xavier_normal_(w), (3,), r"\(3,\)"),
    "kaiming mode": (lambda i, w: i.kaiming_uniform_(w, mode="fan"), (3, 5), "'fan'"),
    "kaiming nonlinearity": (lambda i, w: i.kaiming_normal_(w, nonlinearity="gelu"), (3, 5), "'gelu'"),
    "gain param": (lambda i, w: i.calculate_gain("leaky_relu", True), (3, 5), "True"),
    "orthogonal_": (lambda i, w: i.orthogonal_(w), (3,), r"\(3,\)"),
    "sparse_": (lambda i, w: i.sparse_(w, 0.3), (3,), r"\(3,\)"),
    "uniform_": (lambda i, w: i.uniform_(w, 1.0, 0.0), (3,), r"a=1.0, b=0.0"),
    "normal_": (lambda i, w: i.normal_(w, 1.0, -0.5), (3,), r"std=-0.5"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(case: str) -> None:
    """Catches another exception than torch's, and a message without the value."""
    call, shape, message = WRONG[case]
    with pytest.raises(Exception) as theirs:
        call(torch.nn.init, torch.zeros(shape))
    array = np.zeros(shape)
    with pytest.raises(theirs.type, match=message):
        call(init, array)
    assert not array.any(), "the array was changed before the error came"


def test_warnings_and_empty() -> None:
    """Catches a silent far mean, and an empty array that divides by zero."""
    with pytest.warns(UserWarning, match="mean=5"):
        init.trunc_normal_(np.zeros(3), 5.0, 1.0, -1.0, 1.0)
    for call in (init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_, init.trunc_normal_):
        call(np.zeros((0, 3)))


# Names of torch.nn.init that are not here: each is deprecated in torch for the one with an underscore.
LEFT_OUT = {
    *("uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal"),
    *("kaiming_uniform", "kaiming_normal", "orthogonal", "sparse"),
}


def test_coverage() -> None:
    """Catches an initialiser of torch that is neither here nor left out with a reason."""
    theirs = set(torch.nn.init.__all__)
    assert theirs - set(init.__all__) == LEFT_OUT
    assert set(init.__all__) <= theirs
    for name in LEFT_OUT:
        with pytest.warns(FutureWarning, match="deprecated"):
            getattr(torch.nn.init, name)(
                torch.zeros(3, 3, 3) if name == "dirac" else torch.zeros(3, 3),
                *([0.5] if name in ("constant", "sparse") else []),
            )
