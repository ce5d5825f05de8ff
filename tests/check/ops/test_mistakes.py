# ruff: noqa: E501
"""Every wrong formula is caught by the probe, and told apart from every other one of its operation."""

import functools
import itertools

import numpy as np
import pytest

from torchref.check.diagnosis.diagnose import diagnose
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.find import find
from torchref.check.ops.norms import KEPT
from torchref.check.ops.probe import gradients_only, make_probe
from torchref.check.reading import other_signatures
from torchref.check.tolerance.closeness import close

# settings under which an option's mistakes show
SETTINGS = {
    "gelu": ("gelu", "gelu(approximate='tanh')"),
    "embedding": ("embedding", "embedding(padding_idx=3)"),
    "embedding_bag": ("embedding_bag", "embedding_bag(mode='max')"),
    "batch_norm": ("batch_norm", "batch_norm(training=False)"),
    "batch_norm2d": ("batch_norm2d", "batch_norm2d(training=False)"),
    **{name: (name, f"{name}(dilation=2)") for name in ("conv1d", "conv2d", "conv3d")},
    "pad": ("pad", "pad(mode='reflect')"),
    "interpolate": ("interpolate", "interpolate(mode='bilinear')", "interpolate(mode='bicubic', scale_factor=1.6)"),
    "max_pool2d": ("max_pool2d", "max_pool2d(kernel_size=3, padding=1)"),
    "avg_pool2d": ("avg_pool2d", "avg_pool2d(kernel_size=3, padding=1)"),
    "cross_entropy": (
        "cross_entropy",
        "cross_entropy(label_smoothing=0.0)",
        "cross_entropy(label_smoothing=0.0, ignore_index=-100)",
    ),
    "multi_head_attention": ("multi_head_attention", "multi_head_attention(is_causal=True)"),
    **{name: (name, f"{name}(nonlinearity='relu')") for name in ("rnn", "rnn_cell")},
    "poisson_nll_loss": ("poisson_nll_loss", "poisson_nll_loss(log_input=False)"),
    "scaled_dot_product_attention": (
        "scaled_dot_product_attention",
        "scaled_dot_product_attention(is_causal=True)",
    ),
}


ABSENT = {"binary_cross_entropy_with_logits": "pos_weight", "cross_entropy": "weight"}  # the formula is another without


@functools.cache
def answers(against, variant="rich", absent="", other=False):
    """The gradients of the right formula and of each mistake; `other`: of the function that goes by the name elsewhere."""
    op = next(other_signatures.other_functions(find(against), set()))[0] if other else find(against)
    p = make_probe(op, 0, {a.name for a in op.arguments} - {absent} if absent else None, variant)
    result = {}
    for flags in [(), *((m.flag,) for m in p.op.mistakes)]:
        try:
            with np.errstate(all="ignore"):
                outputs, backward = p.evaluate(flags)
                values = {**outputs, **gradients_only(backward(p.upstream))}
        except (ValueError, IndexError, NameError):
            continue  # only a square array allows this one
        result[flags] = values
    return result


def differ(a, b):
    return any(np.shape(a[k]) != np.shape(b[k]) or not close(a[k], b[k]) for k in a)


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_each_mistake_is_seen(op):
    """Would catch a probe that hides a mistake: under one setting at least, it changes a gradient or an output."""
    unseen = {m.flag for m in op.mistakes}
    for against in SETTINGS.get(op.name, (op.name,)):
        others = (False, True) if op.elsewhere else (False,)
        for variant, absent, other in itertools.product(("rich", "square"), {"", ABSENT.get(op.name, "")}, others):
            try:
                found = answers(against, variant, absent, other)
            except (ValueError, KeyError):
                continue
            for m in op.mistakes:
                if (m.flag,) in found and differ(found[()], found[(m.flag,)]):
                    unseen.discard(m.flag)
    assert not unseen - EQUAL.get(op.name, set())


# what is no mistake under any setting of its operation, because it is the same function there
AFTER = "dx = {gamma} * (dy - dy.mean({axes}) - x_hat * (dy * x_hat).mean({axes})) / std"  # gamma is one number for each mean
EQUAL = {
    **{name: {AFTER.format(gamma=gamma, axes=axes)} for name, gamma, axes in (("batch_norm", "weight", "0"), ("batch_norm2d", "gamma", KEPT), ("instance_norm", "gamma", KEPT))},
    # these show where one x is query, key and value; tests/check/corpus/heads.py has one
    "scaled_dot_product_attention": {"dx = dq", "dx = dk", "dx = dv"},
    **{f"max_pool{n}d": {"dx = dx_padded[box(0, x.shape[2:])]"} for n in (1, 3)},  # their probes have no padding
    "multi_head_attention": {"dx = dquery", "dx = dkey", "dx = dvalue", "allowed = allowed & ~attn_mask"},
}  # fmt: skip


def test_there_are_enough():
    """150 wrong formulas over 30 operations are promised."""
    assert len(CATALOGUE) >= 30
    assert sum(len(op.mistakes) for op in CATALOGUE) >= 150


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_told_apart(op):
    """Two mistakes with different slugs never give the same gradients (else one would be named for the other)."""
    slug = {m.flag: m.slug for m in op.mistakes}
    for against in SETTINGS.get(op.name, (op.name,)):
        found = answers(against)
        wrong = [(f, v) for f, v in found.items() if f and differ(found[()], v)]
        for i, (a, x) in enumerate(wrong):
            for b, y in wrong[:i]:
                if slug[a[0]] != slug[b[0]]:
                    assert differ(x, y), (a, b)


def as_closure(op, values, flags):
    """The formula, with its mistakes, as a student's closure over torch's arguments."""
    names = [
        a.name
        for a in op.arguments
        if a.name != "attn_mask" and values.get(a.name) is not None and a.name != "normalized_shape"
    ]

    def call(arrays):
        p = make_probe(op, 0, set(names))
        p.values.update(arrays)
        outputs, backward = p.evaluate(flags)
        main = outputs[next(iter(outputs))]

        def back(*dy):
            given = dict(
                zip((n for n in op.outputs if not n.startswith("running_")), dy or (np.ones_like(main),), strict=False)
            )
            gradients = backward(given)
            return {n: g for n, g in gradients.items() if not n.endswith("~")}

        return main, back

    source = f"def student({', '.join(names)}):\n    return call(dict({', '.join(f'{n}={n}' for n in names)}))\n"
    space = {"call": call}
    exec(source, space)
    return space["student"]


@pytest.mark.parametrize("op", [op for op in CATALOGUE if op.family not in ("dropout",)], ids=lambda op: op.name)
def test_each_mistake_gets_its_name(op):
    """Every wrong formula, put into a student's closure, is given its own slug."""
    values = make_probe(op, 0).values
    wrong = []
    for m in op.mistakes:
        if m.slug == "unknown" or m.gradient.startswith("running_"):
            continue
        against = "scaled_dot_product_attention(is_causal=True)" if op.family == "attention" else op.name
        found = answers(against).get((m.flag,))
        if found is None or not differ(answers(against)[()], found):
            continue
        verdict = diagnose(as_closure(op, values, (m.flag,)), op, strict=True)
        slugs = [f.slug for f in verdict.findings]
        if verdict.verdict == "right" or slugs[:1] != [m.slug]:
            wrong.append((m.flag, m.slug, verdict.verdict, slugs, verdict.error))
    assert len(wrong) <= 0.05 * len(op.mistakes), wrong
