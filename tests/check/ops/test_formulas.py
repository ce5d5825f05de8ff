"""The formulas behind the diagnosis: right without a mistake, and every mistake visible."""

import inspect
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.find import find
from torchref.check.ops.formula import FromTextbook, shown_formula
from torchref.check.ops.probe import gradients_only, make_probe
from torchref.check.textbook.page import SHORT, page
from torchref.nn import functional


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_gradient_matches_richardson(op):
    """The right formula's gradients are the derivatives of its own forward (where no kink is planted)."""
    p = make_probe(op, 0, {a.name for a in op.arguments} - {"padding_idx"})  # its row has no gradient by decree
    rng = np.random.default_rng(0)
    reference = gradients_only(p.reference(p.upstream))

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


def from_torch(p):  # noqa: C901, PLR0912 (a branch for each way in which torch is called)
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
        return heads_in_torch(torch, p, t)
    if p.op.in_torch is not None:
        y = p.op.in_torch(torch, SimpleNamespace(**{**v, **t}))
    elif name == "prelu":
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
    elif name in ("linear", "bilinear"):
        y = getattr(functional, name)(*(t.get(a.name) for a in p.op.arrays))
    elif name == "embedding_bag":
        y = functional.embedding_bag(t["input"], t["weight"], mode=v["mode"])
    elif name == "fold":
        y = functional.fold(t["input"], **options)
    elif name == "embedding":
        own = {k: v[k] for k in ("padding_idx", "scale_grad_by_freq")}
        y = functional.embedding(t["input"], t["weight"], **own)
    elif name == "binary_cross_entropy_with_logits":
        y = functional.binary_cross_entropy_with_logits(
            t["input"], t["target"], pos_weight=t.get("pos_weight"), reduction=v["reduction"]
        )
    elif name in ("cross_entropy", "nll_loss"):
        y = getattr(functional, name)(t["input"], t["target"], weight=t.get("weight"), **options)
    elif name == "conv_transpose2d" or name.startswith("conv"):
        y = getattr(functional, name)(t["input"], t["weight"], t.get("bias"), **options)
    elif name == "scaled_dot_product_attention":
        y = functional.scaled_dot_product_attention(
            t["query"], t["key"], t["value"], attn_mask=t.get("attn_mask"), is_causal=v["is_causal"], scale=v["scale"]
        )
    elif name == "threshold":
        y = functional.threshold(t["input"], v["threshold"], v["value"])
    else:
        options = {k: o for k, o in options.items() if not (name == "pad" and k == "value" and o is None)}
        y = getattr(functional, name)(*t.values(), **options)
    arrays = [n for n, a in t.items() if a.requires_grad]
    gradients = torch.autograd.grad(y, [t[n] for n in arrays], torch.tensor(p.upstream["output"]))
    return y.detach().numpy(), dict(zip(arrays, (g.numpy() for g in gradients), strict=True))


def heads_in_torch(torch, p, t):
    """The in_proj arrays of torch's module are one for three; a mask is True there where a key is hidden."""
    v, x = p.values, t["query"]
    module = torch.nn.MultiheadAttention(x.shape[-1], v["num_heads"], dtype=torch.float64)
    own = {"in_proj_weight": module.in_proj_weight, "in_proj_bias": module.in_proj_bias}
    own |= {"out_proj_weight": module.out_proj.weight, "out_proj_bias": module.out_proj.bias}
    for n, parameter in own.items():
        if n not in t and f"q_proj_{n[8:]}" in t:
            t[n] = torch.cat([t[f"{s}_proj_{n[8:]}"] for s in "qkv"])
        parameter.data = t[n].detach().clone() if n in t else torch.zeros_like(parameter)
    hidden = ~t["attn_mask"] if "attn_mask" in t else None
    if v["is_causal"]:
        future = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
        hidden = future if hidden is None else hidden | future
    y = module(x, t.get("key", x), t.get("value", x), attn_mask=hidden)[0]
    y.backward(torch.tensor(p.upstream["output"]))
    gradients = {n: t[n].grad for n in ("query", "key", "value") if n in t}
    gradients |= {n: parameter.grad for n, parameter in own.items() if n in t}
    return y.detach().numpy(), {n: g.numpy() for n, g in gradients.items()}


def recurrent_in_torch(torch, p, t):
    v, gates = p.values, {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
    kind = gates[p.op.name.removesuffix("_cell")]
    cell = p.op.name.endswith("_cell")
    options = {a.name: v[a.name] for a in p.op.options}
    module = getattr(torch.nn, kind + ("Cell" if cell else ""))(
        v["weight_ih"].shape[1], v["weight_hh"].shape[1], dtype=torch.float64, **options
    )
    suffix = "" if cell else "_l0"
    for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        parameter = getattr(module, n + suffix)
        parameter.data = t[n].detach().clone() if n in t else torch.zeros_like(parameter)
    states = [t[n] if cell else t[n][None] for n in ("hx", "cx") if n in t]
    state = None if not states else tuple(states) if kind == "LSTM" else states[0]
    result = module(t["input"], state)
    if cell:
        outputs = dict(zip(p.op.outputs, result if kind == "LSTM" else (result,), strict=True))
    else:
        last = result[1] if kind == "LSTM" else (result[1],)
        outputs = dict(zip(p.op.outputs, (result[0], *(s[0] for s in last)), strict=True))
    loss = sum((torch.tensor(p.upstream[n]) * o).sum() for n, o in outputs.items())
    loss.backward()
    gradients = {n: t[n].grad for n in ("input", "hx", "cx") if n in t and t[n].grad is not None}
    gradients |= {
        n: getattr(module, n + suffix).grad for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if n in t
    }
    return outputs["output"].detach().numpy(), {n: g.numpy() for n, g in gradients.items()}


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_equals_torch(op, seed):
    """The formulas that users are measured against are torch's, planted kinks, ties and repeated indices included."""
    p = make_probe(op, seed)
    y, gradients = from_torch(p)
    outputs, _ = p.evaluate()
    np.testing.assert_allclose(outputs["output"], y, rtol=1e-9, atol=1e-11)
    reference = gradients_only(p.reference(p.upstream))
    for n, g in reference.items():
        if n in gradients:
            np.testing.assert_allclose(g, gradients[n], rtol=1e-6, atol=1e-8, err_msg=n)  # torch has 1/6 in float32


TEXTBOOK = [op for op in CATALOGUE if isinstance(op.formula, FromTextbook)]


@pytest.mark.parametrize(
    "op",
    [o for o in TEXTBOOK if hasattr(functional, o.name.replace("norm2d", "norm")) and o.in_torch is None],
    ids=lambda op: op.name,
)
def test_formula_equals_torchref(op):
    """Catches a formula in which the textbook and torchref.nn have drifted apart, at random inputs."""
    for seed in range(3, 6):
        p = make_probe(op, seed)
        function = getattr(functional, op.name.replace("norm2d", "norm"))
        known = inspect.signature(function).parameters
        given = p.values | {short: p.values[long] for short, long in SHORT.items() if long in p.values}
        if "options" in known:  # a convolution or a pooling hands on what it is given
            known = {"x": None, **{a.name: None for a in op.arguments[1:]}}
        y, backward = function(**{name: given[name] for name in known if name in given})
        gradients = backward(p.upstream["output"])
        outputs, _ = p.evaluate()
        np.testing.assert_allclose(outputs["output"], y, rtol=1e-9, atol=1e-11)
        reference = gradients_only(p.reference(p.upstream))
        arrays = [n for n in known if isinstance(given.get(n), np.ndarray) and not n.startswith("running_")]
        of = dict(zip(arrays, gradients if isinstance(gradients, tuple) else (gradients,), strict=False))
        of = {n if n in reference else SHORT.get(n, n): gradient for n, gradient in of.items()}
        for n in reference:
            told = f"seed {seed}, d{n}"  # torchref.nn has torch's 1/6 in float32
            np.testing.assert_allclose(reference[n], of[n], rtol=1e-7, atol=1e-9, err_msg=told)


@pytest.mark.parametrize("op", TEXTBOOK, ids=lambda op: op.name)
def test_every_patch_has_its_line(op):
    """Catches a mistake whose right line has been rewritten: it would never be found."""
    whole = page(op.formula.textbook)
    assert not [p.line for p in op.formula.patches if not whole.right_line(p)]


def test_loading_the_catalogue_makes_no_mistakes():
    """Catches seconds of work before every verdict: a record lists its mistakes when it is asked for them."""
    code = "from torchref.check.ops.catalogue import CATALOGUE\nassert not any(op.formula.known for op in CATALOGUE)"
    subprocess.run([sys.executable, "-c", code], check=True)


APART = " ".join(f"{s}_proj_{kind}" for s in "qkv" for kind in ("weight", "bias"))
ABSENT = {  # what torch does not take together, or needs together
    "multi_head_attention": (
        "attn_mask in_proj_weight in_proj_bias",
        f"attn_mask {APART}",
        f"attn_mask key value {APART}",
        f"attn_mask in_proj_bias out_proj_bias {APART}",
    )
}


def settings(op):
    """The operation as it is, with each of its options' other values, and without each array that may be absent."""
    every = {a.name for a in op.arguments}
    yield op.name, every
    for a in op.options:
        for value in a.vary:
            mode = "mode='bilinear', " if a.name == "antialias" else ""
            yield f"{op.name}({mode}{a.name}={value!r})", every
    for absent in ABSENT.get(op.name, ()):
        yield op.name, every - set(absent.split())
    for a in op.arguments if op.name not in ABSENT else ():
        if a.neutral is not None or (a.optional and a.kind == "data"):
            yield op.name, every - {b.name for b in op.arguments if b.kind == a.kind and b.optional}


SHOWN = [(op, *s) for op in TEXTBOOK for s in settings(op)]


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("op", "against", "takes"), SHOWN, ids=lambda v: v if isinstance(v, str) else "")
def test_shown_formula_equals_torch(op, against, takes):
    """Catches a formula that forgets an option: each is run as it is printed, line by line, under every option."""
    p = make_probe(find(against), 0, takes)
    _, gradients = from_torch(p)
    assert gradients
    if p.op.formula.is_beyond(p.namespace()):  # torchref.nn's own function, which has no lines to show
        for name, gradient in gradients.items():
            right = p.reference(p.upstream)[name]
            np.testing.assert_allclose(right, gradient, rtol=1e-6, atol=1e-8, err_msg=name)
            assert shown_formula(p.op, name, p.namespace()) == ""
        return
    for name, gradient in gradients.items():
        space = {"np": np, **vars(op.formula.module), **p.op.fixed, **p.values}
        space |= {short: p.values[long] for short, long in SHORT.items() if long in p.values}
        page = p.op.formula.page(p.namespace())
        space |= {a.arg: p.upstream[n] for a, n in zip(page.back.args.args, p.op.outputs, strict=False)}
        exec(shown_formula(p.op, name, p.namespace()), space)
        own = page.gradients[[a.name for a in op.arrays].index(name)]
        np.testing.assert_allclose(space[own], gradient, rtol=1e-6, atol=1e-8, err_msg=name)
