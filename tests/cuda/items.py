"""What is to be shown on a CUDA device, each a function of the device that returns its figures, or raises.

On the processor ("cpu") the same functions run: so what is prepared here is known to work before there is a device.
"""

import importlib.util
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch.nn import functional as F

from tests.referee.gallery import ARCHITECTURES
from torchref.check import check
from torchref.compare import Comparison, Data, run
from torchref.compare.catalogue import find
from torchref.referee import Report, engines, judge

STEPS = 20  # of a training in lockstep
MODELS = ("resnet", "convnext", "gpt", "llama")


class NotHere(Exception):
    """What an item needs is not installed."""


def shortened(comparison: Comparison, steps: int = STEPS) -> Comparison:
    """So many steps of a training, on the first examples."""
    data = comparison.data()
    count, held_out = steps * comparison.batch_size, 200
    few = Data(
        data.train_inputs[:count],
        data.train_targets[:count],
        data.validation_inputs[:held_out],
        data.validation_targets[:held_out],
    )
    epochs = max(1, steps * comparison.batch_size // len(few.train_inputs))
    return replace(comparison, data=lambda: few, epochs=epochs)


def lockstep(which: str, device: str, out, **changes) -> str:
    """A training in lockstep, the torch twin on the device."""
    comparison = replace(shortened(find(which)), device=device, **changes)
    report = run(comparison, out=out)
    assert report.passed, "\n".join(str(variant.divergence) for variant in report.variants)
    shown = []
    for variant in report.variants:
        shown.append(
            f"{variant.name}: {variant.steps} steps, {variant.tensors:,} tensors, largest share of a bound "
            f"{variant.largest_share:.3f}, a step {1e3 * variant.torch_seconds:.1f} ms in torch, "
            f"{1e3 * variant.numpy_seconds:.1f} ms in NumPy"
        )
    return "; ".join(shown)


def lockstep_digits(device, out):
    return lockstep("digits", device, out)


def lockstep_text(device, out):
    return lockstep("text", device, out)


def lockstep_float32(device, out):
    return lockstep("digits", device, out, dtype="float32")


def lockstep_torch_alone(device, out):
    return lockstep("torch_alone", device, out)


class Tanh(torch.autograd.Function):
    """y = tanh(x)."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (1 - y * y)


class FaultyTanh(Tanh):
    """The square of y is forgotten."""

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (1 - y)


def pair_checked(right, wrong, against: str, device: str) -> str:
    """One Function is found right, the other wrong, on the device."""
    verdict = check(right, against, device=device)
    assert verdict.ok, verdict.text()
    found = check(wrong, against, device=device)
    assert found.verdict == "wrong", found.text()
    return f"right in {verdict.seconds:.1f} s; the planted fault: {found.findings[0].slug} in {found.seconds:.1f} s"


def check_function(device, out):
    return pair_checked(Tanh, FaultyTanh, "tanh", device)


def check_triton(device, out):
    if importlib.util.find_spec("triton") is None:
        raise NotHere("triton is not installed")
    from tests.cuda.kernels import FaultySilu, Silu

    return pair_checked(Silu, FaultySilu, "silu", device)


@contextmanager
def engine_of(device: str):
    """The engine's name; on the processor a stand-in, by which model and data are copied as to a device."""
    if device == "cpu":
        engines.DEVICES["cpu"], before = (lambda: True), engines.ENGINES
        engines.ENGINES = (*before, "cpu")
        try:
            yield "cpu"
        finally:
            del engines.DEVICES["cpu"]
            engines.ENGINES = before
    else:
        yield device


def judged(name: str, device: str, dtype: torch.dtype) -> Report:
    """An architecture of the gallery, judged on the device."""
    torch.manual_seed(0)
    model, closure = ARCHITECTURES[name]()
    with engine_of(device) as engine:
        return judge(model.to(dtype), closure, engine=engine)


def referee(device, out):
    shown = []
    for dtype in (torch.float64, torch.float32):
        reports = {name: judged(name, device, dtype) for name in MODELS}
        for name, report in reports.items():
            assert report.passed, f"{name}: {report.text()}"
        tensors = [j for report in reports.values() for j in report.judged]
        largest = max(j.error for j in tensors if j.kind == "parameter")
        shown.append(
            f"{str(dtype).removeprefix('torch.')}: {len(MODELS)} models, {len(tensors)} gradients equal, the largest "
            f"difference of a parameter's {largest:.1e} of its largest entry"
        )
    return "; ".join(shown)


def referee_finds(device, out):
    """A planted fault, found on the device."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3))
    x, target = torch.randn(9, 6), torch.randint(0, 3, (9,))
    with engine_of(device) as engine:
        report = judge(model, lambda: F.cross_entropy(FaultyTanh.apply(model(x)), target), engine=engine)
    assert report.verdict == "PARTED", report.text()
    assert report.first.op == "FaultyTanh", report.text()
    first = report.first
    return f"first to part: {first.op} at {first.source.rpartition('/')[2]}, error {first.error:.2g}"


def referee_triton(device, out):
    """A Triton kernel inside a custom Function: its forward bypasses the dispatcher, so that it must not pass."""
    if importlib.util.find_spec("triton") is None:
        raise NotHere("triton is not installed")
    from tests.cuda.kernels import Silu

    torch.manual_seed(0)
    model, x = torch.nn.Linear(6, 8), torch.randn(9, 6)
    with engine_of(device) as engine:
        report = judge(model, lambda: Silu.apply(model(x)).sin().sum(), engine=engine)
    assert report.verdict != "EQUAL", report.text()
    return f"{report.verdict}: {(report.not_judged or report.parted)[0].line()}"


ITEMS = {
    "lockstep digits": lockstep_digits,
    "lockstep digits, float32": lockstep_float32,
    "lockstep text": lockstep_text,
    "lockstep of torch alone": lockstep_torch_alone,
    "check an autograd.Function": check_function,
    "check a Triton kernel": check_triton,
    "referee": referee,
    "referee, a planted fault": referee_finds,
    "referee, a Triton kernel": referee_triton,
}
