"""Architectures of torchvision, timm and transformers, with random weights: equal in float64."""

import warnings

import pytest
import torch

from tests.referee import gallery_timm, gallery_torchvision, gallery_transformers
from tests.referee.libraries import library
from tests.referee.runs import assert_equal

GALLERIES = {
    "torchvision.models": gallery_torchvision.ARCHITECTURES,
    "timm.models": gallery_timm.ARCHITECTURES,
    "transformers": gallery_transformers.ARCHITECTURES,
}
ALL = [(name, architecture) for name, architectures in GALLERIES.items() for architecture in architectures]
# Small, and no two alike: what the others add to these is in the slow tests.
QUICK = {
    "torchvision.models": ("convnext", "densenet", "fcn", "mobilenet_v3", "regnet", "vit"),
    "timm.models": ("beit", "convmixer", "focalnet", "levit", "mixer", "tiny_vit"),
    "transformers": ("bert", "ctrl", "falcon", "gpt2", "llama", "mixtral", "opt", "wav2vec2"),
}


def judge_one(name, architecture):
    models = library(name)
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):  # the libraries' own, of their configurations
        model, closure = GALLERIES[name][architecture](models)
        model = model.double()
        trained = sum(parameter.requires_grad for parameter in model.parameters())
        report = assert_equal(model, closure)
    return report, trained


def check_equal(name, architecture):
    report, trained = judge_one(name, architecture)
    equal, parted, absent = report.counts("parameter")
    assert (parted, absent) == (0, 0), report.text()
    assert 0 < equal <= trained, report.text()  # some have parameters that their forward does not read


@pytest.mark.parametrize(("name", "architecture"), [(n, a) for n in QUICK for a in QUICK[n]])
def test_an_architecture_of_a_library_is_equal(name, architecture):
    """Catches a combination of operations that people run and that no architecture of our own has."""
    check_equal(name, architecture)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "architecture"), [(n, a) for n, a in ALL if a not in QUICK[n]])
def test_every_architecture_of_the_libraries_is_equal(name, architecture):
    """The same for all the others."""
    check_equal(name, architecture)
