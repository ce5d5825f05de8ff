"""What people get wrong in a comparison of their own: one line with the file, the line, the cause and the remedy."""

from pathlib import Path

import pytest

from torchref.cli.command_line import main

MINE = """import numpy as np
import torch, torchref
from torchref.compare import Comparison, Data

def data():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    return Data(x[:30], y[:30], x[30:], y[30:])

class Ours(torchref.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torchref.nn.Linear(5, 3)

    def forward(self, x):
        y, layer_backward = self.layer(x)

        def backward(dy):
            return layer_backward(dy)

        return y, backward

class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.layer(x)

comparison = Comparison(
    name="mine", claim="it trains",
    model=lambda nn: Ours(),
    torch_model=lambda nn: Theirs(),
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.1), data=data,
    epochs=1, batch_size=10, device="cpu")
"""
PAIR = "    model=lambda nn: Ours(),\n    torch_model=lambda nn: Theirs(),\n"
ONE = "    model=lambda nn: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)),\n"
FORWARD = "        y, layer_backward = self.layer(x)\n"
BACKWARD = "            return layer_backward(dy)\n"
THEIRS = "        return self.layer(x)\n"
HANDED = ": what a network is handed is not its own: write "
MISTAKES = {  # what is written instead of what; the line that is named, the cause and the remedy
    "x *= 2": (FORWARD, "        x *= 2\n" + FORWARD, 16, f"is read-only{HANDED}x = x * 2"),
    "x /= a + b": (FORWARD, "        x /= 1 + 2  # why\n" + FORWARD, 16, f"is read-only{HANDED}x = x / (1 + 2)"),
    "x[...] =": (FORWARD, "        x[x < 0] = 0\n" + FORWARD, 16, f"is read-only{HANDED}into a copy, x = x.copy()"),
    "x in the backward": (BACKWARD, "            x[:] = 0\n" + BACKWARD, 19, f"is read-only{HANDED}into a copy"),
    "dy *= 2": (BACKWARD, "            dy *= 2\n" + BACKWARD, 19, f"is read-only{HANDED}dy = dy * 2"),
    "x *= 2 in torch": (
        THEIRS,
        "        x *= 2\n" + THEIRS,
        28,
        "torch's forward writes over its input: write",
    ),
    "backward without return": (
        BACKWARD,
        BACKWARD.replace("return ", ""),
        18,
        "backward returns nothing, and must return the gradient of forward's input: end it with return dx",
    ),
    "forward without return": ("        return y, backward", "", 15, "returns nothing: end it with return y, backward"),
    "forward without backward": (
        "return y, backward",
        "return y",
        15,
        "returns ndarray: end it with return y, backward",
    ),
    "a layer's name": (PAIR, ONE.replace("Tanh", "Tahn"), 33, "no attribute 'Tahn': did you mean 'Tanh'?"),
    "a layer's option": (PAIR, ONE.replace("4, 3", "4, 3, bais=False"), 33, "argument 'bais': did you mean 'bias'?"),
    "a comparison's field": ("epochs=1", "epoch=1", 31, "keyword argument 'epoch': did you mean 'epochs'?"),
    "an optimizer's option": ("lr=0.1", "learning_rate=0.1", 36, "argument 'learning_rate': did you mean 'lr'?"),
    "a data's field": ("x[30:], y", "x[30:], validation_target=y", 8, "did you mean 'validation_targets'"),
    "a layer's size": (
        PAIR,
        ONE.replace("Linear(4", "Linear(6"),
        33,
        "layer 2 (Linear(in_features=6, out_features=3, bias=True)): variant 'default', inputs of shape (N, 5): "
        "RuntimeError: linear(): input (2, 4) and weight^T (6, 3) shapes cannot be multiplied",
    ),
    "labels for MSELoss": (
        "CrossEntropyLoss",
        "MSELoss",
        35,
        "outputs of shape (N, 3) and targets of shape (N,), int64: RuntimeError: mse_loss(): target has shape (2,), "
        "but input (2, 3); they must be the same: these targets are labels, which a loss of classes takes",
    ),
    "labels from 1": ("(0, 3, 40)", "(1, 4, 40)", 5, "has 3 outputs (labels 0 to 2): subtract 1 from the labels"),
    "floating labels": (
        "(0, 3, 40)",
        "(0, 3, 40).astype(float)",
        35,
        "whole numbers of them, targets.astype(np.int64)",
    ),
    "another structure": (
        "self.layer = torch.nn.Linear(5, 3)",
        "self.dense = torch.nn.Linear(5, 3)",
        34,
        "in torch (4 names differ): give both twins the same layers, under the same names, in the same order",
    ),
    "classes on the last axis": (
        MINE[MINE.index(PAIR) : MINE.index("    epochs")],
        "    model=lambda nn: nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5)),\n"
        "    loss=lambda nn: nn.CrossEntropyLoss(),\n"
        "    optimizer=lambda optim, parameters: optim.Adam(parameters),\n"
        "    data=lambda: Data(*[np.random.default_rng(0).integers(0, 5, (30, 4))] * 4),\n",
        33,
        "outputs of shape (N, 4, 5) have the classes on the last axis, and a loss of classes takes them on axis 1",
    ),
    "an output that is a tuple": (
        PAIR,
        "    model=lambda nn: nn.LSTM(5, 3),\n",
        33,
        "output 1 of the network is a tuple, and must be an array",
    ),
    "two outputs to a loss of one": (
        "        return y, backward",
        "        return (y, y), lambda dy, dz: backward(dy + dz)",
        35,
        "the network returns 2 outputs, and the loss is called with all of them and the targets: return only what",
    ),
    "backward without dy": (
        "        def backward(dy):\n            return layer_backward(dy)",
        "        def backward():\n            return None",
        33,
        "it is given the gradient of forward's output: def backward(dy)",
    ),
    "a layer's backward left": (
        "y, layer_backward = self.layer(x)",
        "y, layer_backward = self.layer(x), 0",
        33,
        "is a function: a layer returns its output and its backward, so write y, layer_backward = layer(x)",
    ),
    "a loss itself": (
        "lambda nn: nn.Cross",
        "torchref.nn.Cross",
        31,
        "not the CrossEntropyLoss: write loss=lambda nn:",
    ),
    "a network itself": ("lambda nn: Ours()", "Ours()", 31, "not the Ours: write model=lambda nn: ..."),
    "data themselves": ("data=data", "data=data()", 31, "data must be a function, not Data("),
    "an engine's own optimizer": (
        ": optim.A",
        ": torch.optim.A",
        36,
        "make it of the `optim` that the function is given",
    ),
    "a layer's module": (PAIR, ONE.replace("nn.Tanh()", "nn.linear(4, 4)"), 33, "did you mean nn.Linear?"),
    "torch in NumPy": (
        FORWARD,
        FORWARD.replace("(x)", "(torch.relu(x))"),
        16,
        "this network is NumPy's: write it with",
    ),
    "an output cut off": (
        THEIRS,
        THEIRS.replace("(x)", "(x).detach()"),
        34,
        "cut off from the weights: leave out detach()",
    ),
    "a tuple for data": ("return Data(", "return (", 5, "return Data(train_inputs, train_targets, validation_inputs"),
    "data in another order": ("x[:30], y[:30], x[30:]", "x[:30], x[30:], y[:30]", 8, "the order is train_inputs,"),
    "tensors for data": ("Data(x[:30]", "Data(torch.ones(30, 5)", 8, "not Tensor: write its .numpy()"),
    "lists for data": ("Data(x[:30]", "Data(x[:30].tolist()", 8, "not list: write np.array(...)"),
    "texts for labels": (
        "rng.integers(0, 3, 40)",
        "np.array(list('abca' * 10))",
        8,
        "np.unique(labels, return_inverse",
    ),
    "reduction": ("Loss()", "Loss(reduction='none')", 35, "has shape (2,): leave reduction='none' out"),
}


def answer(tmp_path, monkeypatch, capsys, source):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(source)
    status = main(["compare", "mine.py", "--json"])
    output, errors = capsys.readouterr()
    assert (status, output, errors.count("\n")) == (2, "", 1), (status, errors)
    assert not Path("runs").exists()
    return errors


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_at_its_line_with_a_remedy(tmp_path, monkeypatch, capsys, mistake):
    """Catches a mismatch (status 1), or an EQUAL, that is a slip of the keyboard; and an error without its place."""
    there, now, line, said = MISTAKES[mistake]
    assert there in MINE
    errors = answer(tmp_path, monkeypatch, capsys, MINE.replace(there, now, 1))
    assert f"mine.py, line {line}" in errors
    assert said in errors


def test_what_is_right_is_trained(tmp_path, monkeypatch, capsys):
    """Catches a contract that refuses what keeps to it."""
    monkeypatch.chdir(tmp_path)
    for source in (MINE, MINE.replace(PAIR, ONE)):
        Path("mine.py").write_text(source)
        assert main(["compare", "mine.py", "--json", "--out", str(source.count("Ours()"))]) == 0
