"""Every method of the containers, called on torch's and on ours: equal names, equal errors."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

import torchref

BOTH = [(torchref.nn, lambda *s: np.ones(s, np.float32)), (torch.nn, lambda *s: torch.ones(s))]


def layers(nn, count=3):
    return [nn.Linear(k + 1, k + 2) for k in range(count)]


def named(nn):
    return nn.Sequential(OrderedDict(first=nn.Linear(1, 2), second=nn.ReLU()))


MODULES = {
    "sequential slice": lambda nn: nn.Sequential(*layers(nn))[1:],
    "sequential step": lambda nn: nn.Sequential(*layers(nn))[::-2],
    "sequential negative": lambda nn: nn.Sequential(*layers(nn))[-1],
    "sequential append": lambda nn: nn.Sequential(*layers(nn)).append(nn.ReLU()),
    "sequential insert": lambda nn: nn.Sequential(*layers(nn)).insert(1, nn.ReLU()),
    "sequential insert -1": lambda nn: nn.Sequential(*layers(nn)).insert(-1, nn.ReLU()),
    "sequential extend": lambda nn: nn.Sequential(*layers(nn)).extend(layers(nn, 2)),
    "sequential +": lambda nn: nn.Sequential(*layers(nn)) + nn.Sequential(nn.ReLU()),
    "sequential * 2": lambda nn: nn.Sequential(*layers(nn, 2)) * 2,
    "2 * sequential": lambda nn: 2 * nn.Sequential(*layers(nn, 2)),
    "named": named,
    "named attribute": lambda nn: named(nn).first,
    "named slice": lambda nn: named(nn)[1:],
    "numbered attribute": lambda nn: getattr(nn.Sequential(*layers(nn)), "1"),
    "list": lambda nn: nn.ModuleList(layers(nn)),
    "list of equals": lambda nn: nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Linear(1, 2), nn.ReLU()]),
    "list of nested": lambda nn: nn.ModuleList([nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())]),
    "empty list": lambda nn: nn.ModuleList(),
    "list slice": lambda nn: nn.ModuleList(layers(nn))[1:],
    "list +": lambda nn: nn.ModuleList(layers(nn)) + layers(nn, 1),
    "list extend": lambda nn: nn.ModuleList(layers(nn)).extend(layers(nn, 1)),
    "list append": lambda nn: nn.ModuleList(layers(nn)).append(nn.ReLU()),
    "dict": lambda nn: nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 2)}),
    "dict of pairs": lambda nn: nn.ModuleDict([("b", nn.ReLU()), ("a", nn.Linear(1, 2))]),
    "dict attribute": lambda nn: nn.ModuleDict({"hidden": nn.ReLU()}).hidden,
    "dict of dict": lambda nn: nn.ModuleDict(nn.ModuleDict({"b": nn.ReLU()})),
    "dict pop": lambda nn: nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 2)}).pop("a"),
    "dict keys": lambda nn: list(nn.ModuleDict({"b": nn.ReLU(), "a": nn.ReLU()}).keys()),
    "dict values": lambda nn: list(nn.ModuleDict({"b": nn.ReLU()}).values()),
    "dict items": lambda nn: list(nn.ModuleDict({"b": nn.ReLU()}).items()),
    "dict in": lambda nn: ["b" in nn.ModuleDict({"b": nn.ReLU()}), "c" in nn.ModuleDict({"b": nn.ReLU()})],
    "dict iter": lambda nn: list(nn.ModuleDict({"b": nn.ReLU(), "a": nn.ReLU()})),
}


@pytest.mark.parametrize("call", MODULES.values(), ids=MODULES.keys())
def test_modules(call):
    """Catches another name, order or look of the children."""
    ours, theirs = call(torchref.nn), call(torch.nn)
    assert repr(ours) == repr(theirs)
    if isinstance(theirs, torch.nn.Module):
        assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
        assert list(ours.state_dict()) == list(theirs.state_dict())


EDITS = {
    "set": lambda c, nn: c.__setitem__(-1, nn.ReLU()),
    "delete": lambda c, nn: c.__delitem__(0),
    "delete slice": lambda c, nn: c.__delitem__(slice(0, 2)),
    "pop": lambda c, nn: c.pop(-1),
    "pop slice": lambda c, nn: c.pop(slice(1, None)),
    "iadd": lambda c, nn: c.__iadd__(type(c)(nn.ReLU()) if isinstance(c, nn.Sequential) else [nn.ReLU()]),
    "insert": lambda c, nn: c.insert(1, nn.ReLU()),
    "add_module": lambda c, nn: c.add_module("more", nn.ReLU()),
}


@pytest.mark.parametrize("act", EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_edits(kind, act):
    """Catches names that are not counted anew, and a wrong position."""
    made = []
    for nn in (torchref.nn, torch.nn):
        container = nn.Sequential(*layers(nn)) if kind == "Sequential" else nn.ModuleList(layers(nn))
        act(container, nn)
        made.append(container)
    assert repr(made[0]) == repr(made[1])
    assert len(made[0]) == len(made[1])
    assert list(made[0].state_dict()) == list(made[1].state_dict())


def test_imul():
    """Catches copies instead of the same modules."""
    for nn in (torchref.nn, torch.nn):
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        model *= 3
        assert len(model) == 6
        assert model[0] is model[4]


ERRORS = {
    "index": lambda nn: nn.Sequential(nn.ReLU())[1],
    "negative index": lambda nn: nn.ModuleList([nn.ReLU()])[-2],
    "append": lambda nn: nn.Sequential().append(3),
    "construct": lambda nn: nn.Sequential(3),
    "insert no module": lambda nn: nn.Sequential().insert(0, 3),
    "insert beyond": lambda nn: nn.Sequential().insert(2, nn.ReLU()),
    "+": lambda nn: nn.Sequential().__add__([nn.ReLU()]),
    "* 0": lambda nn: nn.Sequential() * 0,
    "* 1.5": lambda nn: nn.Sequential() * 1.5,
    "no attribute": lambda nn: nn.Sequential().hidden,
    "list of a number": lambda nn: nn.ModuleList(3),
    "list of numbers": lambda nn: nn.ModuleList([3]),
    "list extend": lambda nn: nn.ModuleList().extend(3),
    "list pop": lambda nn: nn.ModuleList().pop(0),
    "dict key": lambda nn: nn.ModuleDict({"a": nn.ReLU()})["b"],
    "dict key type": lambda nn: nn.ModuleDict({3: nn.ReLU()}),
    "dict value": lambda nn: nn.ModuleDict({"a": 3}),
    "dict taken": lambda nn: nn.ModuleDict({"keys": nn.ReLU()}),
    "dict dot": lambda nn: nn.ModuleDict({"a.b": nn.ReLU()}),
    "dict empty": lambda nn: nn.ModuleDict({"": nn.ReLU()}),
    "dict update": lambda nn: nn.ModuleDict().update(3),
    "dict update of a number": lambda nn: nn.ModuleDict().update([3]),
    "dict update of a triple": lambda nn: nn.ModuleDict().update([(1, 2, 3)]),
    "dict pop": lambda nn: nn.ModuleDict().pop("a"),
    "parameter index": lambda nn: nn.ParameterList()[0],
    "parameter call": lambda nn: nn.ParameterList()(1),
    "parameter extend": lambda nn: nn.ParameterList(3),
    "parameter dict call": lambda nn: nn.ParameterDict()(1),
    "parameter key": lambda nn: nn.ParameterDict()["a"],
    "parameter key type": lambda nn: nn.ParameterDict()[3],
    "parameter update": lambda nn: nn.ParameterDict(3),
    "parameter triple": lambda nn: nn.ParameterDict([(1, 2, 3)]),
    "parameter delete": lambda nn: nn.ParameterDict().__delitem__("a"),
}


@pytest.mark.parametrize("call", ERRORS.values(), ids=ERRORS.keys())
def test_errors(call):
    """Catches what torch refuses and we take, and another exception type."""
    with pytest.raises(Exception) as theirs:
        call(torch.nn)
    with pytest.raises(Exception) as ours:
        call(torchref.nn)
    assert type(ours.value) is type(theirs.value), ours.value


def names(container):
    return [(name, tuple(p.shape)) for name, p in container.named_parameters()]


def test_parameter_list():
    """Catches a value that is no Parameter, a wrong position, a name that is not counted."""
    seen = []
    for nn, ones in BOTH:
        values = nn.ParameterList([ones(2, 3), nn.Parameter(ones(5))])
        values.append(ones(7)).extend([3, ones(1, 1)])
        values[-1] = ones(2)
        values += [ones(4)]
        part = values[1:3]
        assert isinstance(values[0], nn.Parameter)
        assert values[3] == 3
        seen.append([names(values), names(part), len(values), len(list(values)), list(values.state_dict())])
        seen[-1].append(repr(values).replace("torch.", ""))
    assert seen[0] == seen[1]


def test_parameter_dict():
    """Catches an order other than torch's (a plain dict comes sorted), and a method that is missing."""
    seen = []
    for nn, ones in BOTH:
        values = nn.ParameterDict({"b": ones(2, 3), "a": ones(5)})
        values["c"] = ones(7)
        values.update(OrderedDict(z=ones(1), y=ones(1)))
        other = values.copy() | nn.ParameterDict([("q", ones(2))])
        other |= nn.ParameterDict({"r": ones(3)})
        assert isinstance(values["a"], nn.Parameter)
        assert values.b is values["b"]
        assert values.get("none", 3) == 3
        assert values.setdefault("d", 5) == 5
        assert values.setdefault("d", 6) == 5
        seen.append([names(values), names(other), list(values), list(reversed(values)), "a" in values, len(values)])
        seen[-1] += [list(values.keys()), len(list(values.values())), [k for k, _ in values.items()]]
        seen[-1] += [list(values.fromkeys(["u", "v"], 1).items()), tuple(values.pop("a").shape), values.popitem()[0]]
        del values["b"]
        seen[-1].append(list(values.state_dict()))
        values.clear()
        seen[-1].append(len(values))
    assert seen[0] == seen[1]


def test_parameters_in_containers_are_trained():
    """Catches a parameter that state_dict, load_state_dict, zero_grad or dtype conversion does not reach."""

    class Model(torchref.nn.Module):
        def __init__(self):
            self.weights = torchref.nn.ParameterList([np.ones(2)])
            self.named = torchref.nn.ParameterDict({"a": np.ones(3)})

    model = Model()
    state = model.state_dict()
    assert list(state) == ["weights.0", "named.a"]
    model.load_state_dict({name: 2 * value for name, value in state.items()})
    assert model.weights[0].data.tolist() == [2, 2]
    assert model.float().named["a"].dtype == np.float32
    model.weights[0].accumulate(np.ones(2, np.float32))
    model.zero_grad()
    assert model.weights[0].grad is None


@pytest.mark.parametrize("made", [named, lambda nn: nn.ModuleList(layers(nn)), lambda nn: nn.ParameterDict()])
def test_copies(made):
    """Catches a lookup of names that never ends on an object without its children, as copy and pickle make it."""
    container = made(torchref.nn)
    for copied in (copy.deepcopy(container), pickle.loads(pickle.dumps(container))):
        assert repr(copied) == repr(container)
        assert all(a is not b for a, b in zip(copied.parameters(), container.parameters(), strict=True))
