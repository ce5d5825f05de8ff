"""torch.nn, whole: every public module has its counterpart here, or stands in the list of those left out."""

import inspect
import typing
from pathlib import Path

import torch

import torchref
from tests.cases import all_cases

LEFT_OUT = {
    "DataParallel": "several devices: nothing is computed differently",
    "Container": "deprecated: Module",
    "CrossMapLRN2d": "deprecated and, for most sizes, wrong in torch: LocalResponseNorm",
    "Buffer": "a tensor that registers itself; register_buffer does that for arrays",
}
FUNCTIONS_LEFT_OUT = {
    "conv_tbc": "conv1d with the time first; torch keeps it for old models: move the axes",
    "grouped_mm": "matrix products of bfloat16 in groups of rows, for devices; NumPy has no such dtype",
    "scaled_grouped_mm": "the same of float8 with scales",
    "scaled_mm": "a matrix product of float8 with scales, for devices",
    "native_channel_shuffle": "channel_shuffle on one kind of device",
    **{f"adaptive_max_pool{d}d_with_indices": "return_indices=True" for d in (1, 2, 3)},
    **{f"max_pool{d}d_with_indices": "return_indices=True" for d in (1, 2, 3)},
    **{f"fractional_max_pool{d}d_with_indices": "return_indices=True" for d in (2, 3)},
    **{
        f"{name}_": "in place: no argument is overwritten here"
        for name in ("celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold")
    },
}
TOOLS = {  # torch's own, no operations
    "assert_int_or_pair",
    "boolean_dispatch",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
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
    assert missing - TOOLS == FUNCTIONS_LEFT_OUT.keys()


def test_the_manual_says_what_is_left_out():
    """Catches a module or function that is left out and that no reader learns of."""
    page = (Path(__file__).parents[2] / "manual" / "differences.md").read_text()
    left_out = page[page.index("## Left out") :]
    assert [name for name in (*LEFT_OUT, *FUNCTIONS_LEFT_OUT) if f"`{name}`" not in left_out] == []


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
