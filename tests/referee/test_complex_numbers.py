"""Complex numbers and Fourier transforms, which the tape holds as pairs of real numbers."""

import pytest
import torch
from torch import fft, nn
from torch.nn import functional as F

from tests.referee.runs import Holding, assert_equal, assert_found, scalar
from torchref.referee import RefereeError, Replay, judge
from torchref.referee.entries import pairs


def z(x):
    """The last axis of x as pairs: 6 rows of 4 complex numbers."""
    return torch.view_as_complex(x.reshape(6, 4, 2))


def real(x):
    return x.reshape(6, 8)[:, :4]


def short_time(x):
    window = torch.hann_window(16, dtype=x.dtype)
    return torch.stft(x.reshape(-1), 16, hop_length=4, window=window, return_complex=True)


def back_from_short_time(x):
    window = torch.hann_window(16, dtype=x.dtype)
    return torch.istft(short_time(x) * 2, 16, hop_length=4, window=window)


def written_in_place(x):
    y = z(x).clone()
    y[1] *= 2
    y[:, 0] += y[:, 1]
    return y.mul_(1j)


def rotary(x):
    turns = torch.polar(torch.ones(4, dtype=x.dtype), torch.arange(4, dtype=x.dtype))
    return torch.view_as_real(z(x) * turns).flatten(1)


def twice(x):
    y = (fft.rfft(x).abs() ** 2).sum() + (z(x) ** 2).abs().sum()
    return torch.autograd.grad(y, x, create_graph=True)[0] ** 2


def parts_of(*values):
    return torch.cat([value.flatten() for value in values])


CALLS = {
    "fft": fft.fft,
    "fft of a length": lambda x: fft.fft(x, n=6, dim=0, norm="ortho"),
    "ifft": lambda x: fft.ifft(fft.fft(x) * 2j),
    "rfft": lambda x: fft.rfft(x, dim=0),
    "irfft of an odd length": lambda x: fft.irfft(fft.rfft(x), n=7),
    "irfft of an even length": lambda x: fft.irfft(z(x), n=6, norm="ortho"),
    "irfft that cuts": lambda x: fft.irfft(fft.fft(x), n=4),
    "fft2": lambda x: fft.fft2(x).real,
    "irfft2": lambda x: fft.irfft2(fft.fft2(x)),
    "rfftn": lambda x: fft.rfftn(x, norm="forward"),
    "hfft": lambda x: fft.hfft(fft.fft(x)),
    "ihfft": fft.ihfft,
    "fftshift": lambda x: fft.fftshift(fft.fft(x)),
    "a circular convolution": lambda x: fft.irfft(fft.rfft(x) * fft.rfft(x.flip(1)).conj(), n=8),
    "stft": lambda x: short_time(x).abs(),
    "istft": back_from_short_time,
    "parts": lambda x: z(x).real * z(x).imag,
    "conj": lambda x: z(x).conj() * z(x) + z(x).conj(),
    "the imaginary part of a conjugate": lambda x: z(x).conj().imag * 2,
    "abs and angle": lambda x: z(x).abs() + z(x).angle(),
    "polar": lambda x: torch.polar(x.exp(), x * 2),
    "complex": lambda x: torch.complex(x, x[0]),
    "mul": lambda x: z(x) * real(x) + z(x) * z(x)[0] - 2j * z(x) + 1j - z(x) * 3,
    "div": lambda x: z(x) / (z(x)[:1] + 2) + 1 / (z(x) + 3) + z(x) / 4 + z(x) / 2j,
    "mm": lambda x: z(x) @ z(x).mH + z(x) @ z(x).T,
    "bmm": lambda x: torch.einsum("bij,bkj->bik", z(x).view(2, 3, 4), z(x).view(2, 3, 4).conj()),
    "mv": lambda x: z(x) @ z(x)[0],
    "dot": lambda x: torch.vdot(z(x)[0], z(x)[1]) + torch.dot(z(x)[0], z(x)[1]),
    "addmm": lambda x: torch.addmm(z(x)[0], z(x), z(x)[:4], beta=2, alpha=1j),
    "convolutions": lambda x: parts_of(
        F.conv1d(z(x)[None], z(x)[:3, :2].reshape(1, 6, 1)), F.conv_transpose1d(z(x)[None], z(x)[:, :2, None])
    ),
    "inverses": lambda x: torch.linalg.inv(z(x)[:4]) + torch.linalg.inv(torch.stack([z(x)[:4], z(x)[2:] * 2])),
    "solutions": lambda x: (
        torch.linalg.solve(z(x)[:4], z(x)[2:])
        + torch.linalg.solve(z(x)[2:], z(x)[:4], left=False)
        + torch.linalg.solve(z(x)[:4], z(x)[5])
    ),
    "matrix exponentials": lambda x: torch.linalg.matrix_exp(z(x)[:4]) + torch.linalg.matrix_exp(z(x)[2:] * 4),
    "powers of tensors": lambda x: z(x) ** z(x)[0] + 2 ** z(x) + z(x) ** real(x) + real(x).exp() ** z(x),
    "exponentials": lambda x: z(x).exp() + (z(x) * z(x)).log() + z(x).sqrt(),
    "trigonometry": lambda x: z(x).sin() * z(x).cos() + z(x).tanh() + torch.sigmoid(z(x)),
    "pow": lambda x: z(x) ** 2 + z(x) ** -1 + z(x) ** 1.5 + z(x) ** 3,
    "sgn": lambda x: torch.sgn(z(x)),
    "sums": lambda x: z(x).sum(0) + z(x).mean(0) + z(x).cumsum(0)[1],
    "norms": lambda x: z(x).norm() + z(x).norm(dim=1).sum(),
    "joining": lambda x: torch.cat([z(x), z(x) * 2])[::2].roll(1, 0).flip(1),
    "index": lambda x: z(x)[[0, 2, 2]] + torch.where(real(x)[:3] > 0, z(x)[:3], z(x)[3:]),
    "pad": lambda x: F.pad(z(x), (1, 2)).masked_fill(torch.eye(6, 7) > 0, 1j),
    "casts": lambda x: x.to(torch.complex128).conj() * (1 + 1j),
    "written in place": written_in_place,
    "rotary embedding": rotary,
    "double backward": twice,
}


def of_both_parts(y):
    return scalar(torch.view_as_real(y.resolve_conj()) if y.is_complex() else y)


def run(call, dtype):
    torch.manual_seed(1)
    model = Holding(torch.randn(6, 8, dtype=dtype))
    return model, lambda: of_both_parts(CALLS[call](model.x * 1))


# Writes in place through views that turn a sign lazily: what they do to the complex numbers `y`.
WRITES = {
    "a conjugate": lambda y: y.conj().mul_(2j),
    "a part of a conjugate": lambda y: y.conj()[1:].mul_(y.detach()[0].clone()),
    "a conjugate into itself": lambda y: y.mH[0].add_(y.mT.conj()[1]),
    "an entry of a conjugate": lambda y: y.conj().__setitem__(2, y[1] * 2),
    "a conjugate that is filled": lambda y: y.conj()[:, 1].zero_(),
    "a conjugate that is masked": lambda y: y.conj().masked_fill_(torch.eye(6, 4) > 0, 2j),
    "a conjugate that is indexed": lambda y: y.conj().index_add_(0, torch.tensor([1, 1]), y.detach()[:2] * 1j),
    "a conjugate in numbers of its own": lambda y: y.conj().resolve_conj().mul_(2j),
    "the real part": lambda y: (y[1].mul_(2), y.real.mul_(3)),
    "the imaginary part": lambda y: (y.imag.mul_(2), y.conj().imag.add_(1)),
    "the imaginary part of a conjugate": lambda y: y.conj().imag.exp_(),
    "a negative view": lambda y: torch._neg_view(y.real)[2:].mul_(3),
    "the pairs": lambda y: torch.view_as_real(y)[..., 0].mul_(3),
    "a conjugate of a conjugate": lambda y: y.conj().t()[1:].conj().imag.mul_(3),
    "a conjugate without gradients": lambda y: y.detach().clone().conj().mul_(2j),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_through_a_lazy_view_is_followed(write, dtype):
    """Catches a sign that the write loses on its way into the memory, or its gradient on the way back."""
    torch.manual_seed(1)
    model = Holding(torch.randn(6, 8, dtype=dtype))

    def closure():
        y = z(model.x * 1)
        WRITES[write](y)
        return of_both_parts(y * y)

    report = assert_equal(model, closure)
    assert not report.not_judged


@pytest.mark.parametrize(
    "x",
    [
        torch.arange(8.0).to(torch.complex128).mul(1 + 1j).conj(),
        torch.arange(8.0).to(torch.complex128).mul(1 + 1j).conj().imag,
    ],
    ids=["conjugate", "negative"],
)
def test_a_parameter_that_is_a_lazy_view(x):
    """Catches a leaf's gradient that is compared without its sign."""
    model = Holding(x)
    assert model.x.is_conj() or model.x.is_neg()
    assert_equal(model, lambda: of_both_parts(model.x * model.x.detach() * 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("call", CALLS)
def test_complex_numbers_are_judged(call, dtype):
    """Catches a lost conjugate, a scale of a transform, a half of its frequencies, and a false alarm."""
    report = assert_equal(*run(call, dtype))
    assert not report.not_judged


# Those whose gradient does not come out of a complex entry: a view of a real operation's result alone.
BY_VIEWS = {"parts", "the imaginary part of a conjugate"}


@pytest.mark.parametrize("call", [call for call in CALLS if call not in BY_VIEWS])
def test_a_slightly_wrong_backward_parts(call, monkeypatch):
    """Catches a bound behind which a wrong derivation would hide: here each is off by a billionth."""

    def off(function):
        def entered(*args, **options):
            output, function_backward = function(*args, **options)

            def backward(dy):
                every = pairs.flattened(function_backward(dy))
                return [None if g is None else g.scaled(1 + 1e-9) for g in every]

            return output, backward

        return entered

    monkeypatch.setattr(pairs, "FUNCTIONS", {name: off(entry) for name, entry in pairs.FUNCTIONS.items()})
    assert judge(*run(call, torch.float64)).verdict == "PARTED"


class Product(torch.autograd.Function):
    """y = a b, with one conjugate forgotten in the backward."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * b, dy * a.conj()


class Filtered(nn.Module):
    """A filter of frequencies, as in global filter networks: a complex parameter."""

    def __init__(self, product):
        super().__init__()
        self.linear = nn.Linear(8, 8).double()
        self.filter = nn.Parameter(torch.randn(5, dtype=torch.complex128))
        self.product = product

    def forward(self, x):
        return fft.irfft(self.product(fft.rfft(self.linear(x)), self.filter.expand(6, 5)), n=8)


def filtered(product):
    torch.manual_seed(2)
    model, x = Filtered(product), torch.randn(6, 8, dtype=torch.float64)
    return model, lambda: scalar(model(x))


def test_a_complex_parameter():
    """Catches the gradient of a complex parameter that is compared in its real part alone."""
    report = assert_equal(*filtered(torch.mul))
    assert {j.name: j.shape for j in report.judged if j.kind == "parameter"}["filter"] == (5, 2)


def test_a_forgotten_conjugate_is_found():
    """Catches an error in complex numbers that is named elsewhere, or passes."""
    report = assert_found(*filtered(Product.apply), "Product", "")
    assert all(judgement.op == "Product" for judgement in report.parted if judgement.judged == "locally")


def test_what_has_no_entry_in_complex_numbers_is_not_judged():
    """Catches a real entry that is called on pairs."""
    torch.manual_seed(1)
    model = Holding(torch.randn(6, 8, dtype=torch.float64))
    report = judge(model, lambda: of_both_parts(torch.linalg.det(z(model.x * 1)[:4])))
    assert report.verdict == "NOT JUDGED"
    assert any("complex" in judgement.reason for judgement in report.not_judged), report.text()


def test_a_twin_of_a_complex_module_is_refused():
    """Catches pairs that are handed out as an output."""

    class Transform(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8).double()

        def forward(self, x):
            return fft.fft(self.linear(x))

    with pytest.raises(RefereeError, match="complex"):
        Replay(Transform())(torch.randn(2, 8, dtype=torch.float64).numpy())
