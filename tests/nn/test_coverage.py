"""torch.nn, whole: every public module has its counterpart here, or stands in the list of those left out."""

import inspect
import typing

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
FUNCTIONS_LEFT_OUT = {
    **dict.fromkeys(
        ("celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"),
        "changes its argument in place",
    ),
    **dict.fromkeys(
        (
            "adaptive_max_pool1d_with_indices",
            "adaptive_max_pool2d_with_indices",
            "adaptive_max_pool3d_with_indices",
            "fractional_max_pool2d_with_indices",
            "fractional_max_pool3d_with_indices",
            "max_pool1d_with_indices",
            "max_pool2d_with_indices",
            "max_pool3d_with_indices",
        ),
        "what the pooling of this name is with return_indices=True",
    ),
    "conv_tbc": "conv1d with its axes in another order: conv1d",
    **dict.fromkeys(
        ("grouped_mm", "scaled_grouped_mm", "scaled_mm"), "for bfloat16 and float8, which NumPy has not: linear"
    ),
    "native_channel_shuffle": "torch's own name for channel_shuffle",
    **dict.fromkeys(
        (
            "assert_int_or_pair",
            "boolean_dispatch",
            "handle_torch_function",
            "has_torch_function",
            "has_torch_function_unary",
            "has_torch_function_variadic",
        ),
        "torch's own tool, no operation",
    ),
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


def test_every_function_of_torch_nn_functional_is_here_or_left_out_with_a_reason():
    """Catches a function that a new version of torch brings, and one that is left out without anyone deciding so."""
    functions = {
        name
        for name, value in vars(torch.nn.functional).items()
        if callable(value) and not inspect.isclass(value) and not name.startswith("_") and name not in vars(typing)
    }
    missing = {name for name in functions if name not in torchref.nn.functional.__all__}
    assert missing == FUNCTIONS_LEFT_OUT.keys()


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
