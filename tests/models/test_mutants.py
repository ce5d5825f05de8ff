"""Does lockstep notice a `backward` of a network that is a little wrong? Mutants, as of the library's functions."""

import pkgutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.certify.mutants import impatient
from tests.certify.mutation import mutants, owners, planted
from tests.checks import TINY, assert_close
from tests.models import test_tensor_parallel
from tests.models.zoo import ZOO
from torchref import models
from torchref.check.tolerance.rounding import MARGIN, rounding_spread
from torchref.compare.lockstep.bounds import results
from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin, put_back

CPU = torch.device("cpu")
# the rows of a matrix product, in the same order under other names
SAME_FUNCTION = {
    "torchref.models.gpt.CausalSelfAttention.forward: dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4)"
    ".reshape(N, T, 3 * D) -> dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(T, N, 3 * D)"
}


class Network:
    """One step of a network: torch's gradients, and how far rounding can drive ours from them."""

    def __init__(self, name):
        chosen = replace(ZOO[name], batch_size=7)
        data = chosen.data().astype(np.float64)
        self.batch = data.train_inputs[:7], data.train_targets[:7]
        theirs, self.ours = (
            TorchTwin(chosen, {}, np.dtype(np.float64), CPU),
            NumpyTwin(chosen, {}, np.dtype(np.float64)),
        )
        put_back(self.ours, theirs)
        _, _, self.tape = theirs.gradients(*self.batch)
        self.expected = theirs.named_gradients()
        _, spread = rounding_spread(lambda wrap: results(self.ours, *self.batch, self.tape, wrap), np.float64, 4)
        self.limits = {name: MARGIN * s + TINY for name, s in spread.items()}

    def notices(self, mutant):
        try:
            with planted(mutant), impatient():
                self.ours.gradients(*self.batch, self.tape)
            actual = self.ours.named_gradients()
            for name, expected in self.expected.items():
                assert_close(name, actual[name], expected, self.limits.get(f"gradient {name}", 0.0), "")
        except Exception:
            return True
        return False


def test_what_training_does_not_ask_for():
    """Catches a wrong gradient of a loss that is a part of something larger."""
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((4, 7, 3))
    chosen = np.stack([np.arange(7) % 3, rng.standard_normal(7)], axis=1)
    for loss, arrays in (
        (models.PolicyGradientLoss(), (logits[0], chosen)),
        (models.EvidenceLoss(), (*logits[:3], 1 / (1 + np.exp(logits[3])))),
    ):
        _, backward = loss(*arrays)
        gradients, share = as_tuple(backward()), as_tuple(backward(np.asarray(0.7)))
        for gradient, part in zip(gradients, share, strict=True):
            assert part.shape == gradient.shape
            np.testing.assert_allclose(part, 0.7 * gradient, rtol=1e-14)


def as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


def on_several_processes():
    """The tests of what no network of one process runs."""
    test_tensor_parallel.test_the_mlp_in_parts_is_the_whole(world=2, shape=(2, 3, 5))
    test_tensor_parallel.test_attention_by_heads_is_the_whole(2)
    test_tensor_parallel.test_a_block_sends_two_sums_each_way()
    test_tensor_parallel.test_cross_entropy_over_a_divided_vocabulary_is_torchs(2, "float64")


def fails(mutant):
    """Whether one of the tests of single functions notices the mutant."""
    for test in (test_what_training_does_not_ask_for, on_several_processes):
        try:
            with planted(mutant):
                test()
        except Exception:
            return True
    return False


def all_owners():
    found = pkgutil.iter_modules(models.__path__, "torchref.models.")
    return [owner for module in found for owner in owners(module.name)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_networks_notice_every_mutant():
    """Catches a network whose lockstep does not look: every change of a backward moves a gradient off torch's."""
    networks = [Network(name) for name in ZOO]
    survivors, planted_ = [], 0
    for owner in all_owners():
        for mutant in mutants(owner):
            planted_ += 1
            killer = next((i for i, network in enumerate(networks) if network.notices(mutant)), None)
            if killer is not None:
                networks.insert(0, networks.pop(killer))
            elif not fails(mutant):
                survivors.append(mutant.name)
    assert set(survivors) == SAME_FUNCTION
    assert planted_ > 200
