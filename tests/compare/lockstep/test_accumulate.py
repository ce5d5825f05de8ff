"""A batch taken in parts gives the loss and the gradient of the whole batch, whatever the loss; and what does not."""

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import torchref
from tests.compare.small import changed, network, small
from torchref import compare
from torchref.compare import Comparison
from torchref.compare.data import Data, batches
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin, parts

CPU = torch.device("cpu")
N, K = 13, 4  # examples in the batch, 4 parts of which differ in size; classes, or numbers an example


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def signs(seed, *shape):
    return np.sign(normal(seed, *shape))


LABELS = np.random.default_rng(1).integers(0, K, N)
IGNORED = np.where(np.arange(N) < 5, -100, LABELS)  # one part has no target that counts, others have
PROBABILITIES = np.exp(normal(2, N, K)) / np.exp(normal(2, N, K)).sum(axis=1, keepdims=True)
BITS = (normal(3, N, K) > 0).astype(np.float64)
LISTS = np.where(np.arange(K) < 2, np.random.default_rng(4).permuted(np.tile(np.arange(K), (N, 1)), axis=1), -1)


def array(nn: Any, values: Any) -> Any:
    """A constant of the loss as the engine takes it."""
    return torch.tensor(values, dtype=torch.float64) if nn is torch.nn else np.array(values)


def weights(nn):
    return array(nn, [0.1, 1.0, 3.0, 0.5])


# name -> (loss(nn, reduction), how many outputs the network has, target)
LOSSES = {
    "BCELoss": (lambda nn, r: after(nn, nn.BCELoss(reduction=r), nn.Sigmoid()), 1, BITS),
    "BCELoss, weight": (lambda nn, r: after(nn, nn.BCELoss(weights(nn), reduction=r), nn.Sigmoid()), 1, BITS),
    "BCEWithLogitsLoss": (lambda nn, r: nn.BCEWithLogitsLoss(reduction=r), 1, BITS),
    "BCEWithLogitsLoss, weights": (
        lambda nn, r: nn.BCEWithLogitsLoss(weights(nn), pos_weight=weights(nn), reduction=r),
        1,
        BITS,
    ),
    "CrossEntropyLoss": (lambda nn, r: nn.CrossEntropyLoss(reduction=r), 1, LABELS),
    "CrossEntropyLoss, ignored": (lambda nn, r: nn.CrossEntropyLoss(reduction=r), 1, IGNORED),
    "CrossEntropyLoss, ignore_index": (lambda nn, r: nn.CrossEntropyLoss(ignore_index=2, reduction=r), 1, LABELS),
    "CrossEntropyLoss, weights": (lambda nn, r: nn.CrossEntropyLoss(weights(nn), reduction=r), 1, IGNORED),
    "CrossEntropyLoss, smoothed": (
        lambda nn, r: nn.CrossEntropyLoss(weights(nn), label_smoothing=0.3, reduction=r),
        1,
        IGNORED,
    ),
    "CrossEntropyLoss, probabilities": (lambda nn, r: nn.CrossEntropyLoss(reduction=r), 1, PROBABILITIES),
    "NLLLoss": (
        lambda nn, r: after(nn, nn.NLLLoss(weights(nn), reduction=r), nn.LogSoftmax(dim=1)),
        1,
        IGNORED,
    ),
    "MultiMarginLoss": (lambda nn, r: nn.MultiMarginLoss(weight=weights(nn), reduction=r), 1, LABELS),
    "MultiLabelMarginLoss": (lambda nn, r: nn.MultiLabelMarginLoss(reduction=r), 1, LISTS),
    "MultiLabelSoftMarginLoss": (lambda nn, r: nn.MultiLabelSoftMarginLoss(weights(nn), reduction=r), 1, BITS),
    "SoftMarginLoss": (lambda nn, r: nn.SoftMarginLoss(reduction=r), 1, signs(5, N, K)),
    "HingeEmbeddingLoss": (lambda nn, r: nn.HingeEmbeddingLoss(reduction=r), 1, signs(5, N, K)),
    "MSELoss": (lambda nn, r: nn.MSELoss(reduction=r), 1, normal(6, N, K)),
    "L1Loss": (lambda nn, r: nn.L1Loss(reduction=r), 1, normal(6, N, K)),
    "HuberLoss": (lambda nn, r: nn.HuberLoss(reduction=r), 1, normal(6, N, K)),
    "SmoothL1Loss": (lambda nn, r: nn.SmoothL1Loss(reduction=r), 1, normal(6, N, K)),
    "PoissonNLLLoss": (lambda nn, r: nn.PoissonNLLLoss(reduction=r), 1, np.floor(3 * PROBABILITIES)),
    "GaussianNLLLoss": (
        lambda nn, r: with_constants(nn, nn.GaussianNLLLoss(reduction=r), array(nn, np.full((N, K), 0.7))),
        1,
        normal(6, N, K),
    ),
    "KLDivLoss": (
        lambda nn, r: after(nn, nn.KLDivLoss(reduction=r), nn.LogSoftmax(dim=1)),
        1,
        PROBABILITIES,
    ),
    "CosineEmbeddingLoss": (lambda nn, r: nn.CosineEmbeddingLoss(reduction=r), 2, signs(7, N)),
    "MarginRankingLoss": (lambda nn, r: nn.MarginRankingLoss(reduction=r), 2, signs(8, N, K)),
    "TripletMarginLoss": (lambda nn, r: nn.TripletMarginLoss(reduction=r), 2, normal(9, N, K)),
    "TripletMarginWithDistanceLoss": (
        lambda nn, r: nn.TripletMarginWithDistanceLoss(reduction=r),
        2,
        normal(9, N, K),
    ),
    "CTCLoss": (  # N sequences of length 1
        lambda nn, r: with_constants(
            nn,
            after(nn, nn.CTCLoss(reduction=r), nn.Sequential(nn.LogSoftmax(dim=1), nn.Unflatten(0, (1, N)))),
            *[torch.ones(N, dtype=torch.int64) if nn is torch.nn else np.ones(N, np.int64)] * 2,
        ),
        1,
        1 + LABELS[:, None] % 3,
    ),
    "LinearCrossEntropyLoss": (
        lambda nn, r: nn.LinearCrossEntropyLoss(K, K, reduction=r, ignore_index=2),
        1,
        LABELS,
    ),
    "the user's own": (lambda nn, r: log_sum_exp(nn), 1, LABELS),
}
NOT_A_SCALAR = {"AdaptiveLogSoftmaxWithLoss": "returns a tuple", "NLLLoss2d": "is NLLLoss"}


def after(nn: ModuleType, loss: Any, activation: Any) -> Any:
    """A loss behind an activation."""

    class NumpyAfter(torchref.nn.Module):
        def __init__(self):
            self.loss, self.activation = loss, activation

        def forward(self, x, *more):
            y, activation_backward = self.activation(x)
            value, loss_backward = self.loss(y, *more)

            def backward(dvalue=None):
                dy = loss_backward(dvalue)
                return activation_backward(dy[0] if isinstance(dy, tuple) else dy)

            return value, backward

    class TorchAfter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.loss, self.activation = loss, activation

        def forward(self, x, *more):
            return self.loss(self.activation(x), *more)

    return (TorchAfter if nn is torch.nn else NumpyAfter)()


def with_constants(nn: ModuleType, loss: Any, *constants: Any) -> Any:
    """A loss that takes constants behind the output and the target."""

    class NumpyWith(torchref.nn.Module):
        def forward(self, *inputs):
            return loss(*inputs, *constants)

    class TorchWith(torch.nn.Module):
        def forward(self, *inputs):
            return loss(*inputs, *constants)

    return (TorchWith if nn is torch.nn else NumpyWith)()


def log_sum_exp(nn: ModuleType) -> Any:
    """A loss that is no mean and no sum over the examples: the logarithm of a sum over all of them."""

    class NumpyLogSumExp(torchref.nn.Module):
        def forward(self, x, _target):
            return np.log(np.exp(x).sum()), lambda dloss=1.0: dloss * np.exp(x) / np.exp(x).sum()

    class TorchLogSumExp(torch.nn.Module):
        def forward(self, x, _target):
            return torch.logsumexp(x, dim=(0, 1))

    return (TorchLogSumExp if nn is torch.nn else NumpyLogSumExp)()


class NumpyTwoHeads(torchref.nn.Module):
    def __init__(self):
        self.a, self.b = torchref.nn.Linear(5, K), torchref.nn.Linear(5, K)

    def forward(self, x):
        (ya, a_backward), (yb, b_backward) = self.a(x), self.b(x)

        def backward(dy):
            return a_backward(dy[0]) + b_backward(dy[1])

        return (ya, yb), backward


class TorchTwoHeads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(5, K), torch.nn.Linear(5, K)

    def forward(self, x):
        return self.a(x), self.b(x)


def comparison(loss: Any, outputs: int, target: Any, **fields: Any) -> Comparison:
    one = {"model": lambda nn: nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, K))}
    two = {"model": lambda nn: NumpyTwoHeads(), "torch_model": lambda nn: TorchTwoHeads()}
    return Comparison(
        name="parts",
        claim="parts of a batch",
        loss=loss,
        optimizer=lambda optim, p: optim.SGD(p, lr=0.1),
        data=lambda: Data(normal(0, N, 5), target, normal(0, N, 5), target),
        **(one if outputs == 1 else two),
        **fields,
    )


def run_in(twin: Any, accumulate: int, target: Any) -> dict[str, Any]:
    """The loss, the outputs and the gradients of a step in so many parts."""
    twin.accumulate = accumulate
    x = normal(0, N, 5)
    tape = torchref.nn.random.Tape([])
    output, loss = (twin.gradients(x, target, tape) if isinstance(twin, NumpyTwin) else twin.gradients(x, target))[:2]
    outputs = output if isinstance(output, tuple) else (output,)
    found = {f"output {i}": part for i, part in enumerate(outputs)} | {"loss": loss}
    return found | {f"gradient {n}": g.copy() for n, g in twin.named_gradients().items() if g is not None}


def test_every_loss_of_torch_is_here():
    """Catches a loss that a later torch adds, whose mean divides by something new."""
    theirs = {name for name in vars(torch.nn) if name.endswith(("Loss", "Loss2d"))}
    assert theirs - {name.partition(",")[0] for name in LOSSES} == set(NOT_A_SCALAR) & theirs


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")  # of KLDivLoss
@pytest.mark.parametrize(
    ("name", "reduction"), [*itertools.product(LOSSES, ("mean", "sum")), ("KLDivLoss", "batchmean")]
)
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_parts_give_the_whole_batchs_gradient(engine, name, reduction):
    """Catches parts weighed by their share of the examples where the loss divides by something else, or adds."""
    make, outputs, target = LOSSES[name]
    defined = comparison(lambda nn: make(nn, reduction), outputs, target)
    torch.manual_seed(0)
    torchref.nn.random.manual_seed(0)
    float64 = np.dtype(np.float64)
    twin = NumpyTwin(defined, {}, float64) if engine == "numpy" else TorchTwin(defined, {}, float64, CPU)
    whole = run_in(twin, 1, target)
    for accumulate in (2, 4, 100):
        in_parts = run_in(twin, accumulate, target)
        assert in_parts.keys() == whole.keys()
        for tensor, expected in whole.items():
            size = np.abs(expected).max()
            apart = np.abs(in_parts[tensor] - expected)
            assert apart.max() <= 1e-13 * size, (
                f"{engine}, {name}, {reduction}, seed 0, {accumulate} parts: {tensor}"
                f"{list(np.unravel_index(apart.argmax(), apart.shape))} is {apart.max():.1e} off, of {size:.1e}"
            )
        assert whole["loss"] != 0


@pytest.mark.parametrize("accumulate", [1, 2, 3, 4, 7, 100])
def test_parts_cover_the_batch_and_none_is_of_a_single_example(accumulate):
    """Catches an example that is in no part or in two, and a part that batch norm cannot normalise."""
    for examples in range(1, 40):
        cuts = parts(examples, accumulate)
        assert [i for cut in cuts for i in range(examples)[cut]] == list(range(examples))
        assert len(cuts) <= accumulate
        assert examples == 1 or min(cut.stop - cut.start for cut in cuts) >= 2


def lockstep_in_parts(**fields):
    lockstep = Lockstep(changed(accumulate=4, variants={"default": {}}, **fields), {}, CPU)
    data = small.data()
    lockstep.step(data.train_inputs[:13], data.train_targets[:13])
    return lockstep


def test_the_same_units_are_dropped_in_parts_and_in_the_whole():
    """Catches a comparison with the whole batch that compares dropout masks: only what is computed may differ."""
    options = {"p": 0.5, "batch_norm": False}
    apart = lockstep_in_parts(model=lambda nn: network(nn, **options)).apart
    assert apart.gradient < 1e-13
    assert apart.loss < 1e-13
    assert apart.sentence([]) == ""


def statistics_apart():
    """How far the first step's running statistics are from the whole batch's, in torch."""
    running = []
    for accumulate in (4, 1):
        defined = changed(accumulate=accumulate)
        twin, data = TorchTwin(defined, defined.variants["both"], np.dtype(np.float64), CPU), defined.data()
        indices = next(batches(len(data.train_inputs), defined.batch_size, np.random.default_rng(defined.seed)))
        twin.gradients(data.train_inputs[indices], data.train_targets[indices])
        running.append(np.concatenate([twin.named_buffers()[f"1.running_{name}"] for name in ("mean", "var")]))
    return np.linalg.norm(running[0] - running[1]) / np.linalg.norm(running[1])


def test_batch_norm_in_parts_is_told_with_figures(tmp_path, capsys):
    """Catches an EQUAL that hides that parts and whole are two different trainings."""
    report = compare.run(changed(accumulate=4, epochs=1), out=tmp_path)
    plain, both = report.variants
    assert report.passed
    assert plain.parts_gradient < 1e-13
    assert plain.parts_note == ""
    assert 1e-2 < both.parts_gradient < 1
    assert 1e-3 < both.parts_loss < 1
    assert "batch norm (1) normalises each part by the part's own mean" in both.parts_note
    assert f"they are {statistics_apart():.1e} of their size away" in both.parts_note
    report.show()
    said = capsys.readouterr().out
    assert f"gradient is {both.parts_gradient:.1e} of its size away" in said
    assert "parts from whole batch, gradient" in said


def test_frozen_batch_norm_is_the_same_in_parts():
    """Catches a warning where there is nothing to warn of: in evaluation mode batch norm looks at no other example."""

    def model(nn):
        frozen = network(nn, 0.0, True)
        frozen[1].eval()
        return frozen

    assert lockstep_in_parts(model=model).apart.gradient < 1e-13


def test_draws_that_cannot_be_joined_are_said():
    """Catches a figure made of other draws: one scale for all examples of a part is no draw of the whole batch."""

    class NumpyScaled(torchref.nn.Module):
        def __init__(self):
            self.layer, self.rng = torchref.nn.Linear(5, 3), None

        def forward(self, x):
            scale = torchref.nn.random.uniform(0, 1, (1,), x.dtype, self.rng)
            y, layer_backward = self.layer(x)
            return scale * y, lambda dy: layer_backward(scale * dy)

    class TorchScaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(5, 3)

        def forward(self, x):
            return torch.rand(1, dtype=x.dtype) * self.layer(x)

    apart = lockstep_in_parts(model=lambda nn: NumpyScaled(), torch_model=lambda nn: TorchScaled()).apart
    assert apart.gradient is None
    assert "not compared with the whole batch" in apart.sentence([])
