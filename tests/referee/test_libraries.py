"""Architectures of torchvision, timm and transformers, with random weights: equal in float64."""

import warnings
from pathlib import Path

import pytest
import torch

from tests.referee import gallery, gallery_timm, gallery_torchvision, gallery_transformers, transformers_built
from tests.referee.libraries import library
from tests.referee.runs import assert_equal
from torchref.referee import judge

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
    "transformers": ("bert", "ctrl", "falcon", "fnet", "gpt2", "llama", "mixtral", "opt", "wav2vec2"),
}


def check_equal(name, architecture):
    models = library(name)
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):  # the libraries' own, of their configurations
        model, closure = GALLERIES[name][architecture](models)
        model = model.double()
        report = assert_equal(model, closure)
    equal, parted, absent = report.counts("parameter")
    assert (parted, absent) == (0, 0), report.text()
    trained = sum(parameter.requires_grad for parameter in model.parameters())
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


@pytest.mark.parametrize("architecture", gallery_transformers.PARTED)
def test_a_gradient_of_a_library_that_is_off_is_found(architecture):
    """Catches a referee that takes a library's word for it."""
    op, least, most, build = gallery_transformers.PARTED[architecture]
    models = library("transformers")
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        model, closure = build(models)
        report = judge(model.double(), closure)
    assert report.first is not None, report.text()
    assert report.first.op == op, report.text()
    assert least < report.first.error < most
    assert report.counts("parameter")[1] == 0, report.text()


def test_the_manual_counts_the_architectures():
    """Catches a page that tells of others than there are."""
    page = " ".join((Path(__file__).parents[2] / "manual" / "referee.md").read_text().split())
    own = len(gallery.ARCHITECTURES)
    counts = [own, *(len(architectures) for architectures in GALLERIES.values())]
    said = "{} as people write them, {} of torchvision, {} of timm, {} of transformers".format(*counts)
    assert f"{sum(counts)} architectures, tiny" in page
    assert said in page


def test_products_in_groups():
    """Catches the experts' products, one for each group of rows, which torch has in float32 and bfloat16 alone."""
    models = library("transformers")
    torch.manual_seed(0)
    config = {**transformers_built.EXPERTS, "experts_implementation": "grouped_mm"}
    with warnings.catch_warnings(action="ignore"):
        build = transformers_built.built("MixtralForCausalLM", config, num_local_experts=4)
        report = assert_equal(*build(models))
    assert {"_grouped_mm"} <= {judgement.op for judgement in report.judged}
