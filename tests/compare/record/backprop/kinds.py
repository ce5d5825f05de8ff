"""Comparisons that train in a blink, with every kind of layer that the tab takes apart."""

from dataclasses import replace

import numpy as np
import torch

import torchref.nn
from tests.compare.tiny import tiny
from torchref import models
from torchref.compare import Data


def words():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 7, (30, 9))
    return Data(x[:24], x[:24, 2] % 3, x[24:], x[24:, 2] % 3)


def reader(nn, network):
    if network == "attention":
        sizes = {"vocabulary": 7, "length": 9, "width": 6, "heads": 2, "depth": 1, "classes": 3}
        return models.EncoderClassifier(**sizes) if nn is torchref.nn else models.torch_encoder_classifier(nn, **sizes)
    sizes = {"vocabulary": 7, "hidden": 5, "layers": 1, "classes": 3}
    ours = nn is torchref.nn
    return (
        models.RecurrentClassifier(network, **sizes)
        if ours
        else models.torch_recurrent_classifier(nn, network, **sizes)
    )


class Attended(torchref.nn.Module):
    """Attention of an embedded text to itself behind masks, or to the text read by another table."""

    def __init__(self, cross, dropout, weights):
        super().__init__()
        nn, options = torchref.nn, {"kdim": 4, "vdim": 4, "add_bias_kv": True, "add_zero_attn": True} if cross else {}
        options, self.weights = options | {"dropout": dropout}, weights
        self.cross, self.embedding, self.other = cross, nn.Embedding(7, 6), nn.Embedding(7, 4 if cross else 6)
        self.attention, self.head = nn.MultiheadAttention(6, 2, batch_first=True, **options), nn.Linear(6, 3)

    def forward(self, x):
        e, embedding_backward = self.embedding(x)
        m, other_backward = self.other(x)
        if self.cross:
            (a, _), attention_backward = self.attention(e, m, m, need_weights=self.weights)
        else:
            masks = {"key_padding_mask": padding(x), "attn_mask": np.triu(np.ones((9, 9), bool), 1)}
            (a, _), attention_backward = self.attention(e, e, m, need_weights=self.weights, **masks)
        y, head_backward = self.head(a[:, 4])

        def backward(dy):
            da = np.zeros_like(a)
            da[:, 4] = head_backward(dy)
            dquery, dkey, dvalue = attention_backward((da, None))[:3]
            other_backward(dkey + dvalue if self.cross else dvalue)
            return embedding_backward(dquery if self.cross else dquery + dkey)

        return y, backward


def padding(x):
    hidden = x == 0
    hidden[:, 0] = False
    return hidden


class TorchAttended(torch.nn.Module):
    def __init__(self, cross, dropout, weights):
        super().__init__()
        nn, options = torch.nn, {"kdim": 4, "vdim": 4, "add_bias_kv": True, "add_zero_attn": True} if cross else {}
        options, self.weights = options | {"dropout": dropout}, weights
        self.cross, self.embedding, self.other = cross, nn.Embedding(7, 6), nn.Embedding(7, 4 if cross else 6)
        self.attention, self.head = nn.MultiheadAttention(6, 2, batch_first=True, **options), nn.Linear(6, 3)

    def forward(self, x):
        e, m = self.embedding(x), self.other(x)
        if self.cross:
            a = self.attention(e, m, m, need_weights=self.weights)[0]
        else:
            masks = {"key_padding_mask": padding(x), "attn_mask": torch.ones(9, 9, dtype=torch.bool).triu(1)}
            a = self.attention(e, e, m, need_weights=self.weights, **masks)[0]
        return self.head(a[:, 4])


ATTENTIONS = {  # name -> whether it is to another text, its dropout, whether the weights are returned
    "masked": (False, 0.0, False),
    "cross": (True, 0.0, False),
    "masked, dropped": (False, 0.3, False),
    "cross, dropped": (True, 0.5, True),  # whose draw has another shape
}

RECURRENCES = {
    "dropped LSTM": ("LSTM", {"num_layers": 3, "bidirectional": True, "dropout": 0.4}, False),
    "dropped GRU": ("GRU", {"num_layers": 2, "batch_first": True, "dropout": 0.4}, True),
    "deep LSTM": ("LSTM", {"num_layers": 2, "bidirectional": True}, False),
    "projected LSTM": ("LSTM", {"proj_size": 3}, False),
    "last GRU": ("GRU", {"bidirectional": True, "batch_first": True}, True),  # its last states alone are used
}


def last_states(h):
    return h.swapaxes(0, 1).reshape(h.shape[1], -1)


class Recurred(torchref.nn.Module):
    """A recurrence that begins with a state of its own."""

    def __init__(self, network):
        super().__init__()
        kind, options, self.last = RECURRENCES[network]
        self.embedding, self.first = torchref.nn.Embedding(7, 4), 0.1 * np.arange(10.0).reshape(2, 1, 5)
        self.recurrence = getattr(torchref.nn, kind)(4, 5, **options)
        self.head = torchref.nn.Linear(options.get("proj_size", 10), 3)

    def forward(self, x):
        e, embedding_backward = self.embedding(x if self.last else x.T)
        given = (np.repeat(self.first, len(x), 1),) if self.last else ()
        (h, state), recurrence_backward = self.recurrence(e, *given)
        y, head_backward = self.head(last_states(state) if self.last else h[-1])

        def backward(dy):
            if self.last:
                dstate = head_backward(dy).reshape(len(x), 2, 5).swapaxes(0, 1)
                embedding_backward(recurrence_backward((None, dstate))[0])
            else:
                dh = np.zeros_like(h)
                dh[-1] = head_backward(dy)
                de = recurrence_backward((dh, None))
                embedding_backward(de[0] if isinstance(de, tuple) else de)

        return y, backward


class TorchRecurred(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        kind, options, self.last = RECURRENCES[network]
        self.embedding = torch.nn.Embedding(7, 4)
        self.recurrence = getattr(torch.nn, kind)(4, 5, **options)
        self.head = torch.nn.Linear(options.get("proj_size", 10), 3)

    def forward(self, x):
        first = 0.1 * torch.arange(10.0, dtype=self.head.weight.dtype).reshape(2, 1, 5).repeat(1, len(x), 1)
        h, state = self.recurrence(self.embedding(x if self.last else x.T), *([first] if self.last else []))
        return self.head(last_states(state) if self.last else h[-1])


def network(nn, network):
    if network in ATTENTIONS:
        return (Attended if nn is torchref.nn else TorchAttended)(*ATTENTIONS[network])
    if network in RECURRENCES:
        return (Recurred if nn is torchref.nn else TorchRecurred)(network)
    return reader(nn, network)


sequences = replace(
    tiny,
    name="sequences",
    data=words,
    model=network,
    torch_model=network,
    variants={name: {"network": name} for name in ("LSTM", "RNN", "GRU", "attention", *ATTENTIONS, *RECURRENCES)},
    epochs=1,
    batch_size=12,
)


def pictures():
    rng = np.random.default_rng(2)
    x, labels = rng.standard_normal((20, 2, 6, 6)), rng.integers(0, 3, 20)
    return Data(x[:14], labels[:14], x[14:], labels[14:])


def normalized(nn, volumes):
    """Behind every norm a layer, so that its gradient has a sum of its own."""
    if volumes:
        return nn.Sequential(
            nn.Unflatten(1, (2, 1)),
            nn.Conv3d(2, 4, (1, 2, 2), stride=3),
            nn.InstanceNorm3d(4, affine=True),
            nn.SiLU(),
            nn.GroupNorm(2, 4),
            nn.Conv3d(4, 4, 1),
            nn.LayerNorm((4, 1, 2, 2)),
            nn.SiLU(),
            nn.InstanceNorm3d(4, track_running_stats=True),
            nn.Flatten(),
            nn.Linear(16, 3),
        )
    return nn.Sequential(
        nn.Conv2d(2, 6, 3),
        nn.GroupNorm(3, 6),
        nn.SiLU(),
        nn.InstanceNorm2d(6, affine=True),
        nn.SiLU(),
        nn.LayerNorm((4, 4), elementwise_affine=False),
        nn.SiLU(),
        nn.RMSNorm((4, 4)),
        nn.Flatten(2),
        nn.InstanceNorm1d(6),
        nn.SiLU(),
        nn.GroupNorm(1, 6, affine=False),
        nn.AvgPool1d(4),
        nn.Flatten(),
        nn.Linear(24, 8),
        nn.GroupNorm(2, 8),
        nn.RMSNorm(8, eps=0.01, elementwise_affine=False),
        nn.Linear(8, 3),
    )


def convolutional(nn, groups):
    if groups == 0:
        return nn.Sequential(
            nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.PReLU(4),
            nn.Conv2d(4, 2, 3, stride=2, padding=2, padding_mode="reflect"),
            nn.Conv2d(2, 2, 3, padding="same", padding_mode="circular"),
            nn.Conv2d(2, 2, (2, 3), padding="valid"),
            nn.Softmax2d(),
            nn.Flatten(),
            nn.Linear(2 * 6 * 5, 3),
        )
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=1, padding=1, groups=groups),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 2, stride=1, padding=1, dilation=2),
        nn.Sigmoid(),
        nn.AvgPool2d(2, stride=1),
        nn.Flatten(),
        nn.LayerNorm(16),
        nn.Linear(16, 3),
    )


images = replace(
    tiny,
    name="images",
    data=pictures,
    model=convolutional,
    variants={"whole": {"groups": 1}, "grouped": {"groups": 2}, "transposed": {"groups": 0}},
    epochs=1,
    batch_size=7,
)

norms = replace(
    images, name="norms", model=normalized, variants={"planes": {"volumes": False}, "volumes": {"volumes": True}}
)

SMOOTH = (
    "GELU() GELU('tanh') SiLU() Mish() Softplus(2, 1) Softsign() Tanhshrink() LogSigmoid() ELU(1.5) CELU(1.5) SELU()"
)
CORNERED = (
    "ReLU6() Hardtanh(-0.5, 0.3) Hardsigmoid() Hardswish() Hardshrink(0.1) Softshrink(0.1) Threshold(0.1, 0.2) RReLU()"
)


def activations(nn, calls):
    """A weighted sum in front of each: entry by entry, and in rows."""
    layers = [nn.Linear(5, 6)]
    for call in calls.split(") "):
        layers += [eval(f"nn.{call.rstrip(')')})"), nn.Linear(6, 6)]
    return nn.Sequential(*layers, nn.Softmax(1), nn.Linear(6, 6), nn.GLU(1), nn.LogSoftmax(1))


def class_weight(nn):
    weight = np.array([0.5, 2.0, 1.25])
    return weight if nn is torchref.nn else torch.from_numpy(weight)


curves = replace(
    tiny,
    name="curves",
    model=activations,
    loss=lambda nn: nn.NLLLoss(weight=class_weight(nn)),
    variants={"smooth": {"calls": SMOOTH}, "cornered": {"calls": CORNERED}},
    epochs=1,
)


def with_targets(make):
    """The data of `tiny` with other targets, made of its labels."""

    def data():
        found = tiny.data()
        return Data(
            found.train_inputs, make(found.train_targets), found.validation_inputs, make(found.validation_targets)
        )

    return data


def shares(labels):
    return 0.1 + 0.7 * np.eye(3)[labels]


LOSSES = {  # name -> the loss, and what it makes of labels
    "weighted": (lambda nn: nn.CrossEntropyLoss(weight=class_weight(nn), ignore_index=2), np.array),
    "smoothed": (lambda nn: nn.CrossEntropyLoss(weight=class_weight(nn), label_smoothing=0.1), np.array),
    "shares": (lambda nn: nn.CrossEntropyLoss(weight=class_weight(nn), label_smoothing=0.1), shares),
    "sum": (lambda nn: nn.CrossEntropyLoss(reduction="sum"), np.array),
    "squares": (lambda nn: nn.MSELoss(), shares),
    "sizes": (lambda nn: nn.L1Loss(), shares),
    "smooth sizes": (lambda nn: nn.SmoothL1Loss(beta=0.5), shares),
    "huber": (lambda nn: nn.HuberLoss(delta=0.4), shares),
    "logits": (lambda nn: nn.BCEWithLogitsLoss(), shares),
}
losses = [
    replace(tiny, name=name, loss=loss, data=with_targets(make), variants={"plain": {"p": 0.0}}, epochs=1)
    for name, (loss, make) in LOSSES.items()
]
