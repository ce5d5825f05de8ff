"""Inverses, solutions, determinants, factors and distances; and the recurrences that only CUDA fuses."""

import numpy as np
import pytest
import torch
from torch import linalg, nn

from tests.referee.runs import Holding, assert_equal, scalar
from torchref.referee import judge
from torchref.referee.entries import find
from torchref.referee.entries.table import ENTRIES


def positive(x):
    """A symmetric positive definite matrix."""
    return x @ x.mT + torch.eye(x.shape[-1], dtype=x.dtype)


def parts(*factors):
    return sum(scalar((k + 1) * part.sin()) for k, part in enumerate(factors))


def tall(x):
    return torch.cat([x, x.cos()])


def batch(x):
    return torch.stack([x, x * 2 + 1])


CALLS = {
    "inv": lambda x: linalg.inv(x) + torch.inverse(batch(x)),
    "solve": lambda x: linalg.solve(x, x.sin()) + linalg.solve(x, x[0].sin()) + linalg.solve(x, x.cos(), left=False),
    "solve, broadcast": lambda x: linalg.solve(x, batch(x).sin()),
    "solve, a batch of vectors": lambda x: linalg.solve(batch(x), batch(x)[:, 0].sin()),
    "det": lambda x: linalg.det(x) + linalg.slogdet(x)[1] + torch.logdet(positive(x)) + linalg.det(batch(x)),
    "cholesky": lambda x: linalg.cholesky(positive(x)) + linalg.cholesky(positive(x), upper=True),
    "cholesky of what is not symmetric": lambda x: linalg.cholesky(x * 0.01 + 5 * torch.eye(4, dtype=x.dtype)),
    "a triangle": lambda x: linalg.solve_triangular(x, x.sin(), upper=True),
    "a unit triangle": lambda x: linalg.solve_triangular(x, x.sin(), upper=False, left=False, unitriangular=True),
    "cholesky_solve": lambda x: torch.cholesky_solve(x, linalg.cholesky(positive(x))),
    "cholesky_solve upper": lambda x: torch.cholesky_solve(x, linalg.cholesky(positive(x), upper=True), upper=True),
    "cholesky_inverse": lambda x: torch.cholesky_inverse(linalg.cholesky(positive(x))),
    "cholesky_inverse upper": lambda x: torch.cholesky_inverse(linalg.cholesky(positive(x), upper=True), upper=True),
    "qr": lambda x: parts(*linalg.qr(x)) + parts(*linalg.qr(tall(x))),
    "eigh": lambda x: parts(*linalg.eigh(positive(x))) + linalg.eigvalsh(x),
    "svd": lambda x: parts(*linalg.svd(x)),
    "svd, tall": lambda x: parts(*linalg.svd(tall(x), full_matrices=False)),
    "svd, wide": lambda x: parts(*linalg.svd(tall(x).mT, full_matrices=False)),
    "singular values": lambda x: linalg.svdvals(x) + linalg.matrix_norm(x, "nuc") + linalg.matrix_norm(x, 2),
    "cond": lambda x: linalg.cond(x),
    "pinv": lambda x: linalg.pinv(x[:, :3]).sum(0) + linalg.pinv(x[:3]).sum(1),
    "a normal distribution": lambda x: torch.distributions.MultivariateNormal(x[0], positive(x)).log_prob(x[1]),
    "matrix_exp": lambda x: linalg.matrix_exp(x) + linalg.matrix_exp(batch(x) * 3) + linalg.matrix_exp(x * 1e-3),
    "lstsq": lambda x: linalg.lstsq(x[:, :2], x.sin()).solution.sum() + linalg.lstsq(x[:2], x[:2].sin()).solution.sum(),
    "lstsq, vectors": lambda x: linalg.lstsq(batch(tall(x)), batch(tall(x).sin())[..., 0]).solution,
    "lstsq, residuals": lambda x: parts(*linalg.lstsq(tall(x)[:, :3], tall(x).sin(), driver="gelsd")[:2]),
    "lu": lambda x: parts(*linalg.lu(x)) + parts(*linalg.lu(tall(x))) + parts(*linalg.lu(tall(x).mT)),
    "lu, a batch": lambda x: parts(*linalg.lu(batch(x))),
    "lu_factor": lambda x: linalg.lu_factor(x)[0].sin() + linalg.lu_factor(batch(x))[0].cos(),
    "lu_factor, not square": lambda x: parts(linalg.lu_factor(tall(x))[0], linalg.lu_factor(tall(x).mT)[0]),
    "lu_solve": lambda x: (
        linalg.lu_solve(*linalg.lu_factor(x), x.sin())
        + linalg.lu_solve(*linalg.lu_factor(x), x.cos(), left=False)
        + linalg.lu_solve(*linalg.lu_factor(batch(x)), batch(x).exp(), adjoint=True)
    ),
    "lu_unpack": lambda x: parts(*torch.lu_unpack(*linalg.lu_factor(x))[1:]),
    "lu_unpack, not square": lambda x: parts(
        torch.lu_unpack(*linalg.lu_factor(tall(x)))[1], torch.lu_unpack(*linalg.lu_factor(tall(x).mT))[2]
    ),
    "powers": lambda x: linalg.matrix_power(x, -2) + linalg.multi_dot([x, x, x]),
    "cdist": lambda x: sum(torch.cdist(x, x.sin(), p=p) for p in (0.5, 1.0, 2.0, 3.0, torch.inf)),
    "cdist, broadcast": lambda x: torch.cdist(x, batch(x).sin(), p=1.5),
    "cdist, equal rows": lambda x: torch.cdist(x, x) + torch.cdist(x, x.sin(), p=0.0),
    "cdist by a product": lambda x: torch.cdist(x.repeat(8, 1) + torch.linspace(0, 1, 32).to(x)[:, None], x.sin()),
    "pdist": lambda x: torch.pdist(x) + torch.pdist(x, 1.0) + torch.pdist(x, 3.0),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_linear_algebra(name, dtype):
    """Catches a missing entry, a wrong derivation, a sign of a vector that is not the run's, and a bound that leaves no
    room for what LAPACK rounds."""
    for seed in range(3):
        torch.manual_seed(seed)
        model = Holding(torch.randn(4, 4).to(dtype))
        assert_equal(model, lambda model=model: scalar(CALLS[name](model.x) * 1))


OPERATIONS = {
    "matrix_exp": "linalg_matrix_exp",
    "lstsq": "linalg_lstsq",
    "lstsq, residuals": "linalg_lstsq",
    "lu": "linalg_lu",
    "lu_factor": "linalg_lu_factor_ex",
    "lu_solve": "linalg_lu_solve",
    "lu_unpack": "lu_unpack",
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_slightly_wrong_backward_parts(name, monkeypatch):
    """Catches a bound behind which a wrong derivation would hide: here each is off by a billionth."""
    right = find(OPERATIONS[name])

    def off(*args, **options):
        output, right_backward = right(*args, **options)

        def backward(dy):
            gradients = right_backward(dy)
            gradients = gradients if isinstance(gradients, tuple) else (gradients,)
            return [None if g is None else g * (1 + 1e-9) for g in gradients]

        return output, backward

    monkeypatch.setitem(ENTRIES, OPERATIONS[name], off)
    torch.manual_seed(0)
    model = Holding(torch.randn(4, 4).double())
    report = judge(model, lambda: scalar(CALLS[name](model.x) * 1))
    assert report.verdict == "PARTED", report.text()
    assert report.first.op == OPERATIONS[name]


def test_torch_s_exponential_of_a_small_matrix_is_found():
    """Catches a bound that lets pass what torch loses: it breaks the series off too early there."""
    model = Holding(torch.tensor([[0.0, 0.019], [-0.019, 0.0]], dtype=torch.float64))
    weights = torch.tensor([[4.0, -9.0], [-12.0, -16.0]], dtype=torch.float64) / 1000
    report = judge(model, lambda: (linalg.matrix_exp(model.x) * weights).sum())
    assert report.first.op == "linalg_matrix_exp"
    assert 1e-12 < report.first.error < 1e-8


# --- on the arrays that CUDA would hand over --------------------------------------------------------------------------


def gates(cell, x, h):
    """The gates of a cell, without their biases, as torch makes them for its fused kernels."""
    return x @ cell.weight_ih.T, h @ cell.weight_hh.T


def tensors(*shapes):
    torch.manual_seed(2)
    return [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def assert_same(entered, ours, wanted, leaves):
    """The entry's outputs are `wanted`, its gradients those of `leaves`."""
    outputs, backward = entered(*(v.detach().numpy() if isinstance(v, torch.Tensor) else v for v in ours))
    dys = [np.cos(np.arange(y.numel())).reshape(y.shape) for y in wanted]
    for y, y_wanted in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(y, y_wanted.detach().numpy(), atol=1e-13)
    total = sum((y * torch.from_numpy(dy)).sum() for y, dy in zip(wanted, dys, strict=True))
    expected = torch.autograd.grad(total, leaves)
    gradients = [g for g in backward((*dys, None)) if g is not None]
    for gradient, e in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, e.numpy(), atol=1e-12)


@pytest.mark.parametrize("biased", [True, False])
def test_cuda_s_fused_cells(biased):
    """Catches gates in another order, a bias that is lost, and the state's own path, before there is a device."""
    for kind, name in ((nn.LSTMCell, "_thnn_fused_lstm_cell"), (nn.GRUCell, "_thnn_fused_gru_cell")):
        torch.manual_seed(1)
        cell = kind(3, 5, bias=biased).double()
        x, h, c = tensors((4, 3), (4, 5), (4, 5))
        a_x, a_h = (a.detach().requires_grad_() for a in gates(cell, x, h))
        biases = [cell.bias_ih, cell.bias_hh] if biased else []
        b_x, b_h = biases or (0, 0)
        a, b = a_x + b_x, a_h + b_h
        if kind is nn.LSTMCell:
            i, f, g, o = (a + b).chunk(4, 1)
            memory = f.sigmoid() * c + i.sigmoid() * g.tanh()
            wanted, state = [o.sigmoid() * memory.tanh(), memory], c
            assert torch.allclose(wanted[0], cell(x, (h, c))[0])
        else:
            r, z = ((p + q).sigmoid() for p, q in zip(a.chunk(3, 1)[:2], b.chunk(3, 1)[:2], strict=True))
            n = (a.chunk(3, 1)[2] + r * b.chunk(3, 1)[2]).tanh()
            wanted, state = [(1 - z) * n + z * h], h
            assert torch.allclose(wanted[0], cell(x, h))
        assert_same(find(name), [a_x, a_h, state, *biases], wanted, [a_x, a_h, state, *biases])


@pytest.mark.parametrize("mode", range(4), ids=["rnn_relu", "rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("buffer", [False, True])
def test_cudnn_s_recurrences(mode, bidirectional, buffer):
    """Catches weights, states and directions in another order, before there is a device."""
    kind = [lambda *a, **o: nn.RNN(*a, nonlinearity="relu", **o), nn.RNN, nn.LSTM, nn.GRU][mode]
    torch.manual_seed(1)
    layer = kind(3, 5, num_layers=2, bidirectional=bidirectional, batch_first=True).double()
    states = 4 if bidirectional else 2
    x, h, c = tensors((2, 6, 3), (states, 2, 5), (states, 2, 5))
    weights = [p.detach().requires_grad_() for p in layer.parameters()]
    own = torch.func.functional_call(
        layer, dict(zip(dict(layer.named_parameters()), weights, strict=True)), (x, (h, c) if mode == 2 else h)
    )
    wanted = [own[0], *(own[1] if mode == 2 else (own[1],))]
    given = [
        x, [w.detach().numpy() for w in weights], 4, torch.zeros(7) if buffer else None, h, c if mode == 2 else None,
        mode, 5, 0, 2, True, 0.0, True, bidirectional, [], None,
    ]  # fmt: skip
    assert_same(find("_cudnn_rnn"), given, wanted, [x, *weights, h, *([c] if mode == 2 else [])])


def test_what_cudnn_hides_is_said():
    """Catches numbers for a dropout that nobody has seen."""
    x = np.ones((2, 1, 3))
    with pytest.raises(NotImplementedError, match="without cuDNN's own dropout"):
        find("_cudnn_rnn")(x, [], 4, None, x, None, 2, 3, 0, 2, False, 0.5, True, False, [], None)
