"""torch.nn, whole: every public module has its counterpart here, or stands in the list of those left out."""

import inspect

import torch

import torchref
from tests.cases import all_cases

LEFT_OUT = {
    "DataParallel": "several devices: nothing is computed differently",
    "SyncBatchNorm": "batch norm whose statistics several processes share; there is one process here",
    "Container": "deprecated: Module",
    "CrossMapLRN2d": "deprecated and, for most sizes, wrong in torch: LocalResponseNorm",
    "Buffer": "a tensor that registers itself; register_buffer does that for arrays",
}
# Lazy modules become their plain class with the first input, so tests/nn/test_lazy.py holds their cases.
WITHOUT_CASES = {"Module", "Parameter", "UninitializedParameter", "UninitializedBuffer", "LinearCrossEntropyOptions"}
BASES = {"RNNBase", "RNNCellBase"}  # of the recurrent modules, which have cases; NLLLoss2d is NLLLoss's old name
CONTAINERS = {"ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}  # tests/nn/test_container.py


def public(namespace):
    return {name for name, value in vars(namespace).items() if inspect.isclass(value) and not name.startswith("_")}


def test_every_public_class_of_torch_nn_is_here_or_left_out_with_a_reason():
    """Catches a module that a new version of torch brings, and one that is left out without anyone deciding so."""
    missing = {name for name in public(torch.nn) if not hasattr(torchref.nn, name)}
    assert missing - LEFT_OUT.keys() == set()
    assert {name for name in LEFT_OUT if hasattr(torchref.nn, name)} == set(), "no longer left out"
    assert LEFT_OUT.keys() <= public(torch.nn), "left out, but torch has no such class"


def test_every_module_has_cases():
    """Catches a module that the universal checks never see."""
    with_cases = {case.module for case in all_cases()}
    modules = (
        {name for name in public(torch.nn) if hasattr(torchref.nn, name)}
        - WITHOUT_CASES
        - CONTAINERS
        - BASES
        - {"NLLLoss2d"}
    )
    without = {name for name in modules if name not in with_cases and not name.startswith("Lazy")}
    assert without == set()
