"""The formulas behind the diagnosis: right without a mistake, and every mistake visible."""

import numpy as np
import pytest

from torchref.check import probes
from torchref.check.catalogue import CATALOGUE
from torchref.check.ops import find
from torchref.check.ops.formula import FromTextbook, shown_formula
from torchref.check.textbook.page import SHORT


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_gradient_matches_richardson(op):
    """The right formula's gradients are the derivatives of its own forward (where no kink is planted)."""
    p = probes.make(op, 0, {a.name for a in op.arguments} - {"padding_idx"})  # its row has no gradient by decree
    rng = np.random.default_rng(0)
    reference = probes.gradients_only(p.reference(p.upstream))

    def loss(name, value):
        p.values[name], old = value, p.values[name]
        outputs, _ = p.evaluate()
        p.values[name] = old
        return sum(float(np.sum(p.upstream[n] * outputs[n])) for n in p.upstream)

    for name, gradient in reference.items():
        x = p.values[name]
        for _ in range(12):
            i = tuple(rng.integers(0, n) for n in x.shape)
            step = np.zeros_like(x)
            step[i] = 1e-6
            left, right = (loss(name, x) - loss(name, x - step)) / 1e-6, (loss(name, x + step) - loss(name, x)) / 1e-6
            scale = max(1.0, np.abs(gradient).max())
            if abs(left - right) > 1e-3 * scale:
                continue  # a kink
            assert abs((left + right) / 2 - gradient[i]) < 2e-5 * scale, (name, i)


def from_torch(p):
    """The outputs and gradients of torch itself at the probe, and the names of its arguments."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    name, v = p.op.name, p.values
    tensors = {
        a.name: torch.tensor(v[a.name], requires_grad=a.kind == "array")
        for a in p.op.arguments
        if isinstance(v[a.name], np.ndarray)
    }
    options = {a.name: v[a.name] for a in p.op.options}
    t = tensors
    if name.removesuffix("_cell") in ("rnn", "lstm", "gru"):
        return recurrent_in_torch(torch, p, t)
    if name == "multi_head_attention":
        module = torch.nn.MultiheadAttention(v["query"].shape[-1], v["num_heads"], dtype=torch.float64)
        for n, parameter in {
            "in_proj_weight": module.in_proj_weight,
            "in_proj_bias": module.in_proj_bias,
            "out_proj_weight": module.out_proj.weight,
            "out_proj_bias": module.out_proj.bias,
        }.items():
            parameter.data = t[n].detach().clone()
        y = module(t["query"], t["key"], t["value"])[0]
        y.backward(torch.tensor(p.upstream["output"]))
        gradients = {n: t[n].grad.numpy() for n in ("query", "key", "value")}
        gradients |= {
            "in_proj_weight": module.in_proj_weight.grad.numpy(),
            "out_proj_weight": module.out_proj.weight.grad.numpy(),
        }
        return y.detach().numpy(), gradients
    if name == "prelu":
        y = functional.prelu(t["input"], t["weight"])
    elif name.startswith("batch_norm"):
        y = functional.batch_norm(*(t.get(a.name) for a in p.op.arguments[:5]), **options)
    elif name == "instance_norm":
        y = functional.instance_norm(t["input"], weight=t.get("weight"), bias=t.get("bias"), **options)
    elif name in ("layer_norm", "rms_norm"):
        y = getattr(functional, name)(
            t["input"], v["normalized_shape"], **{n: t[n] for n in ("weight", "bias") if n in t}, eps=v["eps"]
        )
    elif name == "group_norm":
        y = functional.group_norm(t["input"], v["num_groups"], t.get("weight"), t.get("bias"), v["eps"])
    elif name == "exp":
        y = t["input"].exp()
    elif name == "dropout":
        y = t["input"] * torch.tensor(v["mask"]) / (1 - v["p"]) if v["training"] else t["input"] * 1
    elif name == "upsample":
        y = functional.interpolate(t["input"], scale_factor=v["scale_factor"])
    elif name == "embedding_bag":
        y = functional.embedding_bag(t["input"], t["weight"], mode=v["mode"])
    elif name == "fold":
        y = functional.fold(t["input"], **options)
    elif name == "embedding":
        y = functional.embedding(t["input"], t["weight"], padding_idx=v["padding_idx"])
    elif name == "binary_cross_entropy_with_logits":
        y = functional.binary_cross_entropy_with_logits(
            t["input"], t["target"], pos_weight=t.get("pos_weight"), reduction=v["reduction"]
        )
    elif name in ("cross_entropy", "nll_loss"):
        y = getattr(functional, name)(t["input"], t["target"], weight=t.get("weight"), **options)
    elif name == "conv_transpose2d" or name.startswith("conv"):
        y = getattr(functional, name)(t["input"], t["weight"], t["bias"], **options)
    elif name == "scaled_dot_product_attention":
        y = functional.scaled_dot_product_attention(t["query"], t["key"], t["value"], attn_mask=t["attn_mask"])
    elif name == "threshold":
        y = functional.threshold(t["input"], v["threshold"], v["value"])
    else:
        options = {k: o for k, o in options.items() if not (name == "pad" and k == "value" and o is None)}
        y = getattr(functional, name)(*t.values(), **options)
    arrays = [n for n, a in t.items() if a.requires_grad]
    gradients = torch.autograd.grad(y, [t[n] for n in arrays], torch.tensor(p.upstream["output"]))
    return y.detach().numpy(), dict(zip(arrays, (g.numpy() for g in gradients), strict=True))


def recurrent_in_torch(torch, p, t):
    v, gates = p.values, {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
    kind = gates[p.op.name.removesuffix("_cell")]
    cell = p.op.name.endswith("_cell")
    module = getattr(torch.nn, kind + ("Cell" if cell else ""))(
        v["weight_ih"].shape[1], v["weight_hh"].shape[1], dtype=torch.float64
    )
    suffix = "" if cell else "_l0"
    for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(module, n + suffix).data = t[n].detach().clone()
    state = (t["hx"], t["cx"]) if kind == "LSTM" else t["hx"]
    if not cell:
        state = tuple(s[None] for s in state) if kind == "LSTM" else state[None]
    result = module(t["input"], state)
    if cell:
        outputs = dict(zip(p.op.outputs, result if kind == "LSTM" else (result,), strict=True))
    else:
        last = result[1] if kind == "LSTM" else (result[1],)
        outputs = dict(zip(p.op.outputs, (result[0], *(s[0] for s in last)), strict=True))
    loss = sum((torch.tensor(p.upstream[n]) * o).sum() for n, o in outputs.items())
    loss.backward()
    gradients = {n: t[n].grad for n in ("input", "hx", "cx") if n in t and t[n].grad is not None}
    gradients |= {n: getattr(module, n + suffix).grad for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    return outputs["output"].detach().numpy(), {n: g.numpy() for n, g in gradients.items()}


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_equals_torch(op, seed):
    """The formulas that users are measured against are torch's, planted kinks, ties and repeated indices included."""
    p = probes.make(op, seed)
    y, gradients = from_torch(p)
    outputs, _ = p.evaluate()
    np.testing.assert_allclose(outputs["output"], y, rtol=1e-9, atol=1e-11)
    reference = probes.gradients_only(p.reference(p.upstream))
    for n, g in reference.items():
        if n in gradients:
            np.testing.assert_allclose(g, gradients[n], rtol=1e-6, atol=1e-8, err_msg=n)  # torch has 1/6 in float32


def settings(op):
    """The operation as it is, with each of its options' other values, and without each array that may be absent."""
    every = {a.name for a in op.arguments}
    yield op.name, every
    for a in op.options:
        for value in a.vary:
            yield f"{op.name}({a.name}={value!r})", every
    for a in op.arguments:
        if a.neutral is not None or (a.optional and a.kind == "data"):
            yield op.name, every - {b.name for b in op.arguments if b.kind == a.kind and b.optional}


SHOWN = [(op, *s) for op in CATALOGUE if isinstance(op.formula, FromTextbook) for s in settings(op)]


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("op", "against", "takes"), SHOWN, ids=lambda v: v if isinstance(v, str) else "")
def test_shown_formula_equals_torch(op, against, takes):
    """Catches a formula that forgets an option: each is run as it is printed, line by line, under every option."""
    p = probes.make(find(against), 0, takes)
    _, gradients = from_torch(p)
    assert gradients
    for name, gradient in gradients.items():
        space = {
            "np": np,
            **vars(op.formula.module),
            **p.values,
            **dict.fromkeys(("dy", "dloss"), p.upstream["output"]),
        }
        space |= {short: p.values[long] for short, long in SHORT.items() if long in p.values}
        exec(shown_formula(p.op, name, p.namespace()), space)
        own = p.op.formula.page(p.namespace()).gradients[[a.name for a in op.arrays].index(name)]
        np.testing.assert_allclose(space[own], gradient, rtol=1e-6, atol=1e-8, err_msg=name)
