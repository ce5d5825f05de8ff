"""Every module's twin can be built from it, in both directions, and computes the same."""

import numpy as np
import pytest
import torch

import torchref
from tests.cases import all_cases
from tests.checks import Built, assert_close, floating, largest, leaves, map_tree, tensor
from torchref.check.tolerance.bound import bound
from torchref.nn.random import set_rng
from torchref.twin import from_torch, to_torch
from torchref.twin.draws import record_draws

MODULES = [case for case in all_cases() if "." not in case.module]  # functions and methods have no twin of their own
CASES = list({(case.module, repr(case.args), repr(case.kwargs)): case for case in MODULES}.values())


def holds_a_function(case):
    """A distance or an activation that is a function of one engine, which the other cannot call."""
    return case.module == "TripletMarginWithDistanceLoss" or case.note == "function"


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")  # torch's advice on its own speed
@pytest.mark.parametrize("case", [c for c in CASES if not holds_a_function(c)], ids=lambda case: case.name)
def test_twins_of_every_case(case):
    """Catches a constructor argument, weight, buffer or mode that is lost on the way there or back."""
    built = Built(case, np.float64)
    theirs, ours = to_torch(built.ours), from_torch(built.theirs)
    assert repr(theirs) == repr(built.theirs)
    assert repr(ours) == repr(built.ours)
    assert theirs.training is ours.training is case.training
    expected = built.theirs.state_dict()
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, expected[name]), name
        assert value.dtype == expected[name].dtype, name
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, expected[name].numpy())

    inputs, options = map_tree(tensor, built.inputs), map_tree(tensor, built.options)
    with record_draws() as tape, torch.no_grad():
        their_output = theirs(*inputs, **options)
    set_rng(ours, tape)
    our_output, _ = ours(*built.inputs, **built.options)
    for (name, actual), (_, wanted) in zip(leaves(our_output), leaves(their_output), strict=True):
        wanted = wanted.numpy() if torch.is_tensor(wanted) else np.asarray(wanted)
        limit = bound(largest(wanted), np.dtype(np.float64), 1.0) if floating(wanted) else 0.0
        assert_close(f"output{name}", actual, wanted, limit, case.name)


@pytest.mark.parametrize("namespace", [torch.nn, torchref.nn], ids=["torch", "numpy"])
def test_containers_are_rebuilt_with_their_names(namespace):
    """Catches a network whose state_dict keys change on the way."""
    nn = namespace
    network = nn.Sequential(
        nn.ModuleDict({"a": nn.Linear(2, 3)}), nn.ModuleList([nn.Linear(3, 2, bias=False)]), nn.Sequential(nn.ReLU())
    )
    twin = to_torch(network) if nn is torchref.nn else from_torch(network)
    assert list(twin.state_dict()) == list(network.state_dict())
    assert repr(twin) == repr(network)


def test_a_frozen_parameter_stays_frozen():
    ours = torchref.nn.Linear(3, 2)
    ours.weight.requires_grad = False
    theirs = to_torch(ours)
    assert [p.requires_grad for p in theirs.parameters()] == [False, True]
    assert [p.requires_grad for p in from_torch(theirs).parameters()] == [False, True]


def test_a_class_of_ones_own_is_refused():
    class Mine(torchref.nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Mine is not a module of torchref.nn"):
        to_torch(Mine())
    with pytest.raises(TypeError, match=r"CrossMapLRN2d is not a module of torch.nn with a counterpart"):
        from_torch(torch.nn.CrossMapLRN2d(3))
