"""A layer's role is the same in every variant of a network, whatever its index."""

import numpy as np
import pytest
import torch

import torchref
from torchref.compare.lockstep.observe import observe_numpy, observe_torch
from torchref.compare.record.roles import roles_of


def network(nn, norm, dropout, flatten=False):
    layers = [nn.Flatten()] if flatten else []
    for width in (6, 5):
        layers += [nn.Linear(width, 5)]
        layers += [nn.BatchNorm1d(5)] if norm else []
        layers += [nn.ReLU()]
        layers += [nn.Dropout(0.5)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(5, 3))


def roles(model, x, ends=True):
    with observe_numpy(model) as seen:
        model(x)
    return roles_of(model, list(seen.outputs), ends)


X = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
def test_variants_have_the_same_roles(norm, dropout):
    """Catches a tag that is a Linear in one variant and a Dropout in another: it would read as an effect."""
    plain, varied = (roles(network(torchref.nn, *which), X) for which in ((False, False), (norm, dropout)))
    assert plain.places == varied.places == ["hidden 1", "hidden 2", "output"]
    wanted = {"Linear": "weighted sum", "ReLU": "after the activation"}
    wanted |= {"BatchNorm1d": "after normalisation", "Dropout": "after dropout"}
    assert all(role.stage == wanted[role.kind] for role in varied.layers.values())
    tags = [role.tag for role in varied.layers.values()]
    assert len(set(tags)) == len(tags)
    assert {role.tag for role in plain.layers.values()} <= set(tags)
    assert set(plain.parameters.values()) <= set(varied.parameters.values())


def test_both_engines_have_the_same_roles():
    """Catches a role that follows from a class that only one engine has."""
    ours = roles(network(torchref.nn, True, True, flatten=True), X)
    model = network(torch.nn, True, True, flatten=True)
    with observe_torch(model) as seen:
        model(torch.from_numpy(X))
    assert roles_of(model, list(seen.outputs)) == ours
    assert next(iter(ours.layers.values())).tag == "data/after Flatten"


def test_a_layer_that_runs_twice_keeps_its_place():
    """Catches an activation shared by two layers that is counted to the first alone."""

    class Shared(torchref.nn.Module):
        def __init__(self):
            self.first, self.second = torchref.nn.Linear(6, 6), torchref.nn.Linear(6, 3)
            self.act = torchref.nn.ReLU()

        def forward(self, x):
            for layer in (self.first, self.act, self.first, self.act, self.second, self.act):
                x, _ = layer(x)
            return x, lambda dy: dy

    found = [role.tag for role in roles(Shared(), X).layers.values()]
    first = ["hidden 1/weighted sum", "hidden 1/after the activation"]
    again = ["hidden 1/weighted sum (2)", "hidden 1/after the activation (2)"]
    assert found == [*first, *again, "output/weighted sum", "output/after the activation"]


def test_parameters_outside_the_layers_have_a_place():
    """Catches a crash, or an index as a name, where attention holds a matrix itself and its own layers do not run."""
    layer = torchref.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = roles(layer, np.ones((2, 3, 8), np.float32), ends=False)
    assert set(found.parameters) == {name for name, _ in layer.named_parameters()}
    assert found.parameters["self_attn.in_proj_weight"] == ("hidden 1", "in_proj_weight")
    assert found.places == ["hidden 1", "hidden 2", "hidden 3", "hidden 4"]


def test_an_embedding_stands_in_front():
    """Catches an embedding that is counted as a hidden layer: places of a network of letters would be one off."""
    nn = torchref.nn
    found = roles(nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)), np.array([[0, 4], [2, 1]]))
    assert found.places == ["embedding", "output"]
    assert [role.tag for role in found.layers.values()] == [
        "embedding/rows",
        "embedding/after Flatten",
        "output/weighted sum",
    ]
