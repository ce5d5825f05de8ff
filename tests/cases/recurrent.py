"""The cases of recurrent networks and their cells."""

from itertools import product

from tests.cases import Case, normal, strided

# T = 5 times, N = 3 sequences, 7 features in, 2 hidden (11 with a projection): all sizes differ.
X, X_FIRST, X_ONE = normal(5, 3, 7), normal(3, 5, 7), normal(5, 7)


def state(module, *shape, proj=None):
    h, c = normal(*shape[:-1], proj or shape[-1]), normal(*shape)
    return (h, c) if module == "LSTM" else h


CASES = []
for module in ("RNN", "LSTM", "GRU"):
    CASES += [
        Case(module, (7, 2), inputs=(X,)),
        Case(module, (7, 2), inputs=(X, state(module, 1, 3, 2)), note="state"),
        Case(module, (7, 2), inputs=(X_ONE,), note="unbatched"),
        Case(module, (7, 2, 2), {"bidirectional": True}, (X_ONE, state(module, 4, 2)), note="unbatched"),
        Case(module, (7, 2), {"batch_first": True}, (X_FIRST, state(module, 1, 3, 2))),
        Case(module, (7, 2), {"batch_first": True}, (X_ONE, state(module, 1, 2)), note="unbatched"),
        Case(module, (7, 2), {"bias": False}, (X, state(module, 1, 3, 2))),
        Case(module, (7, 2), {"bidirectional": True}, (X, state(module, 2, 3, 2))),
        Case(module, (7, 2, 3), inputs=(X, state(module, 3, 3, 2))),
        Case(
            module,
            (7, 2),
            {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.3},
            (X_FIRST, state(module, 4, 3, 2)),
        ),
        Case(module, (7, 2, 3), {"dropout": 0.4}, (X,)),
        Case(module, (7, 2, 2), {"dropout": 1.0}, (X,)),
        Case(module, (7, 2, 2), {"dropout": 0.4}, (X,), training=False),
        Case(module, (7, 2, 2), {"dropout": 0.4}, (X_ONE,), note="unbatched"),
        Case(module, (7, 2), inputs=(normal(1, 3, 7),), note="one time"),
        Case(module, (7, 2), inputs=(normal(5, 0, 7),), note="empty batch"),
        Case(module, (7, 2), inputs=(strided(X), state(module, 1, 3, 2)), note="strided"),
    ]
CASES += [
    Case("RNN", (7, 2), {"nonlinearity": "relu"}, (X, normal(1, 3, 2)), smooth=False),
    Case("RNN", (7, 2, 2, "relu"), {"bidirectional": True, "dropout": 0.3}, (X, normal(4, 3, 2)), smooth=False),
]
for bias, bidirectional in product((True, False), repeat=2):
    options = {"proj_size": 2, "bias": bias, "bidirectional": bidirectional}
    layers = 2 * (1 + bidirectional)
    CASES.append(Case("LSTM", (7, 11, 2), options, (X, state("LSTM", layers, 3, 11, proj=2))))
CASES += [
    Case("LSTM", (7, 11), {"proj_size": 2}, (X_ONE,), note="unbatched"),
    Case("LSTM", (7, 11, 2), {"proj_size": 2, "batch_first": True, "dropout": 0.3}, (X_FIRST,)),
]

for module in ("RNNCell", "LSTMCell", "GRUCell"):
    cell_state = (normal(5, 3), normal(5, 3)) if module == "LSTMCell" else normal(5, 3)
    one_state = (normal(3), normal(3)) if module == "LSTMCell" else normal(3)
    CASES += [
        Case(module, (7, 3), inputs=(normal(5, 7),)),
        Case(module, (7, 3), inputs=(normal(5, 7), cell_state), note="state"),
        Case(module, (7, 3, False), inputs=(normal(5, 7), cell_state)),
        Case(module, (7, 3), {"bias": False}, (normal(5, 7),), note="zero state"),
        Case(module, (7, 3), inputs=(normal(7), one_state), note="unbatched"),
        Case(module, (7, 3), inputs=(normal(7),), note="unbatched zero state"),
        Case(module, (7, 3), inputs=(normal(0, 7),), note="empty"),
        Case(module, (7, 3), inputs=(strided(normal(5, 7)), cell_state), note="strided"),
    ]
CASES += [
    Case("RNNCell", (7, 3, True, "relu"), inputs=(normal(5, 7), normal(5, 3)), smooth=False),
    Case("RNNCell", (7, 3), {"nonlinearity": "relu"}, (normal(7),), smooth=False, note="unbatched"),
]
