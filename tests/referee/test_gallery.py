"""Architectures as people write them: equal in float64, no alarm in float32 and under autocast."""

import pytest
import torch

from tests.referee.gallery import ARCHITECTURES
from tests.referee.runs import assert_equal


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_is_equal_in_float64(name):
    """Catches a combination of operations, views and writes that goes astray, and an operation without entry."""
    torch.manual_seed(0)
    model, closure = ARCHITECTURES[name]()
    report = assert_equal(model.double(), closure)
    assert report.counts("parameter")[0] == len(list(model.parameters())), report.text()


@pytest.mark.parametrize("name", ["resnet", "gpt", "llama", "lstm", "experts", "mamba"])
def test_an_architecture_raises_no_alarm_in_float32(name):
    """Catches a bound that is too narrow for what rounding does in float32."""
    torch.manual_seed(0)
    assert_equal(*ARCHITECTURES[name]())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["eager", "autocast-bf16"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_raises_no_alarm(name, seed, engine):
    """The same for all, in float32 and under autocast to bfloat16, 208 runs."""
    torch.manual_seed(seed)
    assert_equal(*ARCHITECTURES[name](), engine=engine)
