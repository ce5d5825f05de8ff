"""What the catalogue of `torchref check` is told of an operation: its formula must be the operation's."""

import numpy as np
import torch
from torch.nn import functional as F

from tests.referee.runs import Holding, scalar
from torchref.check.ops.probe import Probe, gradients_only
from torchref.referee.assignment import assign_entries
from torchref.referee.catalogued import NAMES, read_as_in_the_catalogue
from torchref.referee.run import run_and_record
from torchref.referee.storage import Ref
from torchref.referee.tape import call_entry, flattened

POSITIVE = torch.rand(5, 6).double()
LABELS = torch.randint(0, 6, (5,))
NORMS = {"weight": torch.randn(4).double().requires_grad_(), "bias": torch.randn(4).double().requires_grad_()}
CALLS = [
    lambda x: F.relu(x) + F.elu(x, 0.7) + F.leaky_relu(x, 0.2) + F.silu(x) + F.mish(x) + F.softplus(x, 2.0, 3.0),
    lambda x: F.gelu(x) + F.gelu(x, approximate="tanh") + x.sigmoid() + x.tanh() + x.exp() + F.hardtanh(x, -0.5, 0.7),
    lambda x: F.hardsigmoid(x) + F.hardswish(x) + F.logsigmoid(x) + F.hardshrink(x, 0.3) + F.softshrink(x, 0.3),
    lambda x: F.threshold(x, 0.2, 3.0) + F.softmax(x, 0) + F.log_softmax(x, 1) + F.glu(torch.cat([x, x], 1), 1),
    lambda x: F.layer_norm(x, (6,), x[0], x[1]) + F.rms_norm(x, (6,), x[2]) + F.layer_norm(x, (6,), None, None, 0.1),
    lambda x: F.linear(x, x, x[:, 0]) + x @ x.T,
    lambda x: F.batch_norm(x, None, None, x[0], x[1], True) + F.batch_norm(x, x[0].detach(), x[1].detach() ** 2),
    lambda x: F.mse_loss(x, POSITIVE) + F.smooth_l1_loss(x, POSITIVE, beta=0.3) + F.huber_loss(x, POSITIVE, "sum", 0.4),
    lambda x: F.soft_margin_loss(x, POSITIVE.sign()) + F.binary_cross_entropy(x.sigmoid(), POSITIVE, reduction="sum"),
    lambda x: F.binary_cross_entropy_with_logits(x, POSITIVE, pos_weight=POSITIVE[0] + 1),
    lambda x: F.nll_loss(x, LABELS, POSITIVE[0], ignore_index=2) + F.multi_margin_loss(x, LABELS, 2, 0.7),
    lambda x: F.embedding(LABELS[None], x.T, padding_idx=int(LABELS[0])) + F.embedding(LABELS, x.T)[0],
    lambda x: F.scaled_dot_product_attention(x[None, None], x[None, None] * 2, x[None, None].exp(), is_causal=True),
    lambda x: torch.native_dropout(x, 0.4, True)[0],
]
IMAGES = [
    lambda x: F.conv2d(x, x[:2, :, :2, :3], x[0, 0, 0, :2], 2, 1, (1, 2)).sum() + F.conv2d(x, x[:, :2], groups=2).sum(),
    lambda x: (
        F.conv1d(x[:, :, 0], x[:2, :, 0, :2]).sum()
        + F.conv_transpose2d(x, x[1:, :2, :2, :2].repeat(4, 1, 1, 1), None, 2, 1, 1).sum()
    ),
    lambda x: F.conv_transpose1d(x[0, :, :4], x[0, :, :2, :3]).sum() + F.conv3d(x[None], x[None, :, :2, :2, :2]).sum(),
    lambda x: F.max_pool2d(x, 2, padding=1) + F.max_pool2d(x, 3, 2)[:, :, :1, :1] + F.avg_pool2d(x, 2, padding=1),
    lambda x: (
        F.max_pool3d(x[None], 2).sum() + F.avg_pool3d(x[None], (1, 2, 2)).sum() + F.adaptive_max_pool2d(x, 3).sum()
    ),
    lambda x: (
        F.adaptive_avg_pool2d(x, (3, 2)).sum()
        + F.adaptive_avg_pool3d(x[None], (3, 2, 2)).sum()
        + F.adaptive_max_pool3d(x[None], 2).sum()
    ),
    lambda x: F.group_norm(x, 2, **NORMS) + F.batch_norm(x, None, None, **NORMS, training=True),
    lambda x: F.unfold(x, 2, stride=2).sum() + F.fold(x.reshape(2, 12, 10)[:, :, :4], (4, 4), 2, stride=2).sum(),
]


def recorded():
    """The operations of all these calls."""
    torch.manual_seed(3)
    rows, places = torch.randn(5, 6).double(), torch.randn(2, 4, 5, 6).double()
    for x, calls in ((rows, CALLS), (places, IMAGES)):
        for call in calls:
            model = Holding(x)
            yield from run_and_record(model, lambda call=call, model=model: scalar(call(model.x) * 1))[0].nodes


def test_the_catalogue_computes_what_the_operations_do():
    """Catches an argument that is handed to a formula under another name, in another place or in other words: the
    formula's right gradients must be the entry's."""
    read = set()
    rng = np.random.default_rng(0)
    for node in recorded():
        reading = read_as_in_the_catalogue(node, Ref.given)
        if reading is None or not node.tracked:
            continue
        assign_entries(Only([node]))
        y, entry_backward = call_entry(node, Ref.given)
        y = y[0] if isinstance(y, tuple) else y
        dy = rng.standard_normal(np.shape(y))
        made = gradients_only(Probe(reading.op, "", 0, reading.values, {}, {}).reference({"output": dy}))
        for i, expected in enumerate(
            flattened(entry_backward((dy, None, None, None) if len(node.outputs) > 1 else dy))
        ):
            found = reading.of_argument(i, made)
            if expected is not None and found is not None and node.inputs[i].needs:
                assert found.shape == expected.shape, (node.name, i)
                assert np.abs(found - expected).max() < 1e-7, (node.name, i)  # hardsigmoid's 1 / 6 is in float32
                read.add(node.name)
    assert NAMES.keys() - read == {"cudnn_batch_norm", "_fused_rms_norm"}, NAMES.keys() - read  # CUDA has these


class Only:
    """A recording of these nodes."""

    def __init__(self, nodes):
        self.nodes = nodes
