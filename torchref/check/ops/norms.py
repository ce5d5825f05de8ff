"""Batch, layer, group, instance and RMS norm, and local response normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import EPS, away
from torchref.check.ops.conventions import Convention
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.mistake import Values
from torchref.check.ops.record import Arrays, Known, Maker, Op, Options, Patch, array, data, option
from torchref.check.textbook import norms as textbook
from torchref.nn.module import Array

WEIGHT, BIAS = array("weight", axes="D", neutral=1.0), array("bias", axes="D", neutral=0.0)
ROWS, IMAGE = array("input", axes="N D"), array("input", axes="N C H W")
CHANNEL_WEIGHT, CHANNEL_BIAS = array("weight", axes="C", neutral=1.0), array("bias", axes="C", neutral=0.0)

# The probes: a row, column or channel of small variance shows where eps stands.


def _affine(rng: Generator, c: int) -> Arrays:
    return {"weight": away(rng, (c,)), "bias": away(rng, (c,))}


def _make_layer_norm(rng: Generator, _o: Options, variant: str) -> Arrays:
    n, d = (5, 5) if variant == "square" else (5, 7)
    x = rng.normal(size=(n, d)) * rng.uniform(0.6, 1.8, (n, 1)) + rng.normal(size=(n, 1))
    x[2] = 0.3 + rng.normal(size=d) * 0.02
    return {"input": x, **_affine(rng, d)}


def _make_batch_norm(rank: int) -> Maker:
    def make(rng: Generator, _o: Options, variant: str) -> Arrays:
        n, c = (5, 5) if variant == "square" else (5, 7) if rank == 2 else (5, 3)
        shape = (n, c, *(2, 7)[: rank - 2]) if rank > 2 else (n, c)
        per_channel = [1, c] + [1] * (rank - 2)
        x = rng.normal(size=shape) * rng.uniform(0.6, 1.8, per_channel) + rng.normal(size=per_channel)
        x[:, 2] = 0.3 + rng.normal(size=x[:, 2].shape) * 0.02
        parameters = _affine(rng, c)
        running = {"running_mean": rng.normal(size=c), "running_var": rng.uniform(0.6, 2.1, c)}
        return {"input": x, **parameters, **running}

    return make


def _make_group_norm(rng: Generator, o: Options, *_: object) -> Arrays:
    c = o["num_groups"] * 3
    x = rng.normal(size=(2, c, 5, 7)) * rng.uniform(0.6, 1.8, (1, c, 1, 1)) + rng.normal(size=(1, c, 1, 1))
    x[1, :3] = 0.3 + rng.normal(size=(3, 5, 7)) * 0.02
    return {"input": x, **_affine(rng, c)}


def _make_instance_norm(rng: Generator, *_: object) -> Arrays:
    x = rng.normal(size=(2, 3, 5, 7)) * rng.uniform(0.6, 1.8, (2, 3, 1, 1))
    x[1, 2] = 0.3 + rng.normal(size=(5, 7)) * 0.02
    return {"input": x, **_affine(rng, 3)}


def _make_positions(rng: Generator, _o: Options, variant: str) -> Arrays:
    """Images; the channels of one place differ little."""
    c = 5 if variant == "square" else 6
    x = rng.normal(size=(2, c, 5, 7)) * rng.uniform(0.6, 1.8, (2, 1, 5, 7)) + rng.normal(size=(2, 1, 5, 7))
    x[1, :, 2] = 0.3 + rng.normal(size=(c, 7)) * 0.02
    return {"input": x, **_affine(rng, c)}


def _make_channels(rng: Generator, *_: object) -> Arrays:
    return {"input": rng.normal(size=(2, 7, 3, 5)) * 2}


# The mistakes that no edit makes.


KEEP = "keepdims=True"
KEPT = f"axes, {KEEP}"
COUNTED = "n = x.size // var.size; "


def _counted(expression: str) -> str:
    return COUNTED if "n / (n - 1)" in expression else ""


def _standardised(dx: str = "dx", gamma: str = "weight", dy: str = "dy", axes: str = KEPT) -> tuple[Patch, ...]:
    """The mistakes in dx = (dx_hat - mean_path - variance_path) / std, with means along `axes`."""

    def wrong(instead: str, slug: str, sentence: str) -> Patch:
        return Patch(f"{dx} = (dx_hat", instead.replace("dx =", f"{dx} ="), slug, sentence)

    def off(divisor: str, sentence: str, slug: str = slugs.EPS_OR_BESSEL) -> Patch:
        return wrong(f"{_counted(divisor)}dx = (dx_hat - mean_path - variance_path) / {divisor}", slug, sentence)

    def path(factor: str, slug: str, sentence: str) -> Patch:
        return wrong(f"{_counted(factor)}dx = (dx_hat - mean_path - variance_path * {factor}) / std", slug, sentence)

    def again(std: str, sentence: str) -> Patch:
        told = (
            f"{_counted(std)}std = {std}; x_hat = centred / std; variance_path = x_hat * (dx_hat * x_hat).mean({axes})"
        )
        return Patch(
            "variance_path =",
            told,
            slugs.EPS_OR_BESSEL,
            f"The backward computes the statistics again, and otherwise: {sentence}",
            gradient="input",
        )

    means = f"dx = {gamma} * ({dy} - {dy}.mean({axes}) - x_hat * ({dy} * x_hat).mean({axes})) / std"
    return (
        wrong("dx = dx_hat / std", slugs.CONSTANTS, "Mean and variance depend on x, too; both are treated as constants."),
        wrong("dx = (dx_hat - variance_path) / std", slugs.CONSTANTS, "The path through the mean is missing: the mean depends on x, too."),
        wrong("dx = (dx_hat - mean_path) / std", slugs.VARIANCE_PATH, "The path through the variance is missing."),
        path("0.5", slugs.VARIANCE_PATH, "Only half of the path through the variance is there."),
        path("2", slugs.VARIANCE_PATH, "The path through the variance counts twice: the 1/2 of the root is lost."),
        wrong(means, slugs.SCALE, "gamma must be applied before the means are taken, not after."),
        wrong(f"dx = {gamma} * (dx_hat - mean_path - variance_path) / std", slugs.SCALE, "The factor gamma is applied twice in dx."),
        wrong("dx = dx_hat - mean_path - variance_path", slugs.SCALE, "The division by the standard deviation is missing in dx."),
        wrong("dx = dx_hat / std - mean_path - variance_path", slugs.SCALE, "The paths through mean and variance must be divided by the standard deviation, too."),
        off("np.sqrt(var * n / (n - 1) + eps)", "The backward uses the variance with Bessel's correction (n - 1)."),
        off("np.sqrt(var * n / (n - 1))", "The backward uses the variance with Bessel's correction (n - 1), and without eps."),
        off("(np.sqrt(var) + eps)", "eps stands outside the root in the backward."),
        off("np.sqrt(var)", "eps is forgotten in the backward."),
        off("(var + eps)", "The backward divides by the variance, not by its root.", slugs.LOCAL),
        again("np.sqrt(var) + eps", "eps stands outside the root."),
        again("np.sqrt(var)", "eps is forgotten."),
        again("np.sqrt(var * n / (n - 1) + eps)", "the variance divides by n - 1."),
        again("np.sqrt(var * n / (n - 1)) + eps", "the variance divides by n - 1, and eps stands outside the root."),
        path("n / (n - 1)", slugs.EPS_OR_BESSEL, "The path through the variance divides by n - 1, not by n."),
        path("(std**2 / var) ** 1.5", slugs.EPS_OR_BESSEL, "eps is forgotten in the path through the variance: (var + eps)**-1.5."),
        path("(std**2 / var)", slugs.EPS_OR_BESSEL, "eps is forgotten in the path through the variance."),
        path("std", slugs.LOCAL, "The path through the variance has the wrong power of the standard deviation."),
        path("std**2", slugs.LOCAL, "The path through the variance has the wrong power of the standard deviation."),
        wrong(f"{COUNTED}dx = (dx_hat - n * mean_path - n * variance_path) / std", slugs.MEAN, "The means of dx_hat and dx_hat * x_hat are sums here: their 1 / n is lost."),
        Patch("std = np.sqrt(var + eps)", f"{COUNTED}std = np.sqrt(var * n / (n - 1)) + eps", slugs.EPS_OR_BESSEL, "The variance divides by n - 1, with Bessel's correction, and eps is added outside the root."),
        Patch("std = np.sqrt(var + eps)", f"{COUNTED}std = np.sqrt(var * n / (n - 1) + eps)", slugs.EPS_OR_BESSEL, "The variance divides by n - 1, with Bessel's correction; a norm divides by n."),
    )  # fmt: skip


def _over(other: str, dx: str = "dx", x: str = "x") -> tuple[Patch, ...]:
    """The statistics, or the backward's means, over the axes `other`."""
    first, second = f"dx_hat.mean({other}, keepdims=True)", f"x_hat * (dx_hat * x_hat).mean({other}, keepdims=True)"
    return (
        Patch(f"{dx} = (dx_hat", f"{dx} = (dx_hat - {first} - {second}) / std", slugs.AXIS, "The means of the backward run over the wrong axis."),
        Patch(f"{dx} = (dx_hat", f"{dx} = (dx_hat - {first} - variance_path) / std", slugs.AXIS, "The mean of dx_hat runs over the wrong axis."),
        Patch(f"{dx} = (dx_hat", f"{dx} = (dx_hat - mean_path - {second}) / std", slugs.AXIS, "The mean of dx_hat * x_hat runs over the wrong axis."),
        Patch("std = np.sqrt(var + eps)", f"centred = {x} - {x}.mean({other}, keepdims=True); std = np.sqrt((centred**2).mean({other}, keepdims=True) + eps)", slugs.AXIS, "The statistics are taken over the wrong axis."),
    )  # fmt: skip


def _evaluation(axes: str) -> tuple[Patch, ...]:
    """The mistakes where the statistics are given."""
    line = "dx = dx_hat / std"
    statistics = f"dx = (dx_hat - dx_hat.mean({axes}) - x_hat * (dx_hat * x_hat).mean({axes})) / std"
    return (
        Patch(line, statistics, slugs.CONSTANTS, "In evaluation the running statistics are constants: no path leads through them."),
        Patch(line, "dx = dx_hat / (np.sqrt(var) + eps)", slugs.EPS_OR_BESSEL, "eps stands outside the root in the backward."),
        Patch(line, "dx = dx_hat / np.sqrt(var)", slugs.EPS_OR_BESSEL, "eps is forgotten in the backward."),
        Patch(line, "dx = dx_hat / (var + eps)", slugs.LOCAL, "The backward divides by the variance, not by its root."),
    )  # fmt: skip


def _running(line: str, instead: str, sentence: str, gradient: str = "", convention: str = "") -> Patch:
    return Patch(line, instead, slugs.RUNNING_STATISTICS, sentence, gradient=gradient, convention=convention)


MOMENTUM = "momentum weighs the old statistics here; in torch it weighs the new ones"
BIASED = "running_var takes the variance by n, as the forward does; torch stores the one by n - 1"
OLD_VAR = "new_var = (1 - momentum) * running_var + momentum * "
FLAT = "var.reshape(-1)"
RUNNING = (
    _running("new_var =", f"{OLD_VAR}{FLAT}", "running_var takes the biased variance; torch stores the unbiased one (n - 1).", convention=BIASED),
    _running("n =", "n = x.size // var.size; momentum = 1 - momentum", f"{MOMENTUM}.", "running_mean", MOMENTUM),
    _running("new_var =", f"{OLD_VAR}np.sqrt({FLAT} * n / (n - 1))", "running_var takes the standard deviation."),
    _running("new_var =", f"{OLD_VAR}({FLAT} * n / (n - 1) + eps)", "running_var contains eps."),
    _running("n =", "n = x.size // var.size; momentum = 1.0", "The running statistics are overwritten, not averaged.", "running_mean"),
    _running("n =", "n = x.size // var.size; momentum = 0.0", "The running statistics are never updated.", "running_mean"),
)  # fmt: skip

RMS = "dx = (dx_hat - rms_path"
RMS_PATCHES = (
    Patch(RMS, "dx = dx_hat / rms", slugs.CONSTANTS, "The root mean square depends on x, too; it is treated as a constant."),
    Patch(RMS, "dx = weight * (dy - x_hat * (dy * x_hat).mean(axes, keepdims=True)) / rms", slugs.SCALE, "gamma must be applied before the mean is taken."),
    Patch(RMS, "dx = weight * (dx_hat - rms_path) / rms", slugs.SCALE, "The factor gamma is applied twice in dx."),
    Patch(RMS, "dx = (dx_hat - rms_path * (rms**2 / mean_square) ** 1.5) / rms", slugs.EPS_OR_BESSEL, "eps is forgotten in the path through the rms: (mean square + eps)**-1.5."),
    Patch(RMS, "dx = (dx_hat - rms_path * (rms**2 / mean_square)) / rms", slugs.EPS_OR_BESSEL, "eps is forgotten in the path through the rms."),
    Patch(RMS, "dx = dx_hat - rms_path", slugs.SCALE, "The division by the root mean square is missing in dx."),
    Patch(RMS, "dx = (dx_hat - rms_path) / (np.sqrt(mean_square) + eps)", slugs.EPS_OR_BESSEL, "eps stands outside the root in the backward."),
    Patch(RMS, "dx = (dx_hat - rms_path) / np.sqrt(mean_square)", slugs.EPS_OR_BESSEL, "eps is forgotten in the backward."),
    Patch(RMS, "dx = (dx_hat - 2 * rms_path) / rms", slugs.VARIANCE_PATH, "The path through the mean square counts twice."),
    Patch(RMS, "dx = (dx_hat - rms_path / 2) / rms", slugs.VARIANCE_PATH, "Only half of the path through the mean square is there."),
    Patch(RMS, "dx = (dx_hat - rms_path * rms**2) / rms", slugs.LOCAL, "The path through the rms has the wrong power of it."),
    Patch(RMS, "dx = (dx_hat - rms_path / rms) / rms", slugs.LOCAL, "The path through the rms has the wrong power of it."),
    Patch("x_hat =", "x = x - x.mean(axes, keepdims=True); x_hat = x / np.sqrt((x**2).mean(axes, keepdims=True) + eps)", slugs.FORWARD, "rms_norm does not subtract the mean."),
    Patch("mean_square =", "mean_square = (x**2).sum(axes, keepdims=True)", slugs.MEAN, "The squares are summed where their mean belongs."),
)  # fmt: skip

WINDOW = "window_path ="
RESPONSE = (
    Patch("dx =", "dx = dy / divisor**beta", slugs.CONSTANTS, "The sum over the neighbours depends on x, too."),
    Patch(WINDOW, "window_path = 2 * alpha * beta / size * x * inner", slugs.OVERWRITTEN, "Each channel stands in its neighbours' windows, too."),
    Patch(WINDOW, "window_path = alpha * beta / size * x * neighbours(inner, after, before)", slugs.LOCAL, "The 2 of the square's derivative is lost."),
    Patch("divisor =", "divisor = k + alpha * neighbours(x**2, before, after)", slugs.FORWARD, "torch divides alpha by the window's size."),
)  # fmt: skip

# What people call the intermediates.

X_HAT = "xhat xnorm xn normed normalized normx xnormalized xh"
DX_HAT = "dxhat dxnorm dxn dnorm dnormed dnormalized dxh dxnormalized"
BOTH = ("input", "weight")
COUNT = "(x.size // var.size)"


def _standard(axes: str = KEPT) -> tuple[Known, ...]:
    """The way back through x_hat = (x - mean) / sqrt(var + eps), step by step, with means along `axes`."""
    along = f"(dx_hat * centred).sum({axes})"  # through 1 / std
    dstd = f"(-{along} / std**2)"
    dvar = f"({dstd} / (2 * std))"
    through = f"(2 * centred * {dvar} / {COUNT})"  # the path through the variance
    dcentred = f"(dx_hat / std + {through})"
    first, second = f"dx_hat.sum({axes})", f"(dx_hat * x_hat).sum({axes})"
    return (
        Known("mean", "the mean", "mean mu samplemean batchmean m xmean", ("mean",), handed="mean"),
        Known("centred", "x - mean", "xmu xcentered xcentred centered centred xc xminusmu xm", ("centred",), BOTH),
        Known("var", "the biased variance", "var variance samplevar sigma2 batchvar v xvar", ("var", "var + eps", f"var * {COUNT} / max({COUNT} - 1, 1)"), handed="var"),
        Known("std", "sqrt(var + eps)", "std sqrtvar sigma stddev sd", ("std", "var + eps", "np.sqrt(var)", "1 / std"), handed="std"),
        Known("1 / std", "1 / sqrt(var + eps)", "rstd ivar invstd istd invvar rsigma invsqrtvar inv stdinv", ("1 / std", "std"), handed="1 / std"),
        Known("x_hat", "(x - mean) / std", X_HAT, ("x_hat",), BOTH, handed="x_hat"),
        Known("dx_hat", "dy * gamma", DX_HAT, ("dx_hat",)),
        Known("d(1 / std)", "the gradient of 1 / std: the sum of dx_hat * (x - mean)", "divar drstd dinvstd distd dinvvar", (along,)),
        Known("dstd", "the gradient of the standard deviation", "dstd dsqrtvar dsigma dsd", (dstd, dvar)),
        Known("dvar", "the gradient of the variance", "dvar dvariance dsigma2 dsamplevar dbatchvar dv", (dvar, dstd, along)),
        Known("dsq", "the gradient of the squares (x - mean)^2", "dsq dsquare", (f"{dvar} * np.ones_like(centred) / {COUNT}",)),
        Known("dx_hat / std", "the direct path", "dxmu1 dxmu dcentered dcentred dxc dxcentered dxm dxminusmu", ("dx_hat / std", dcentred, through)),
        Known("2 (x - mean) dvar / n", "the path through the variance", "dxmu2", (through,)),
        Known("dmean", "the gradient of the mean", "dmean dmu dsamplemean dm dbatchmean", (f"-{dcentred}.sum({axes})", "-mean_path / std", f"-(dx_hat / std).sum({axes})")),
        Known("mean of dx_hat", "dx_hat averaged over the axes of the statistics", "m1 meandxhat mdxhat dxhatmean", ("mean_path", first)),
        Known("mean of dx_hat * x_hat", "dx_hat * x_hat averaged over the axes of the statistics", "m2 meandxhatxhat dxhatxhatmean", (f"(dx_hat * x_hat).mean({axes})", second)),
        Known("sum of dx_hat", "dx_hat summed over the axes of the statistics", "sumdxhat sdxhat s1 sum1 dxhatsum", (first, "mean_path")),
        Known("sum of dx_hat * x_hat", "dx_hat * x_hat summed over the axes of the statistics", "sumdxhatxhat s2 sum2 dxhatxhatsum", (second, f"(dx_hat * x_hat).mean({axes})")),
    )  # fmt: skip


ALONG_RMS, DRMS = "(dx_hat * x).sum(axes, keepdims=True)", "-(dx_hat * x).sum(axes, keepdims=True) / rms**2"
DOT = "(dx_hat * x_hat).mean(axes, keepdims=True)"
RMS_KNOWN = (
    Known("mean of x^2", "the mean square", "ms meansquare meansq var variance sq", ("mean_square", "mean_square + eps", "x * x"), handed="mean_square"),
    Known("rms", "sqrt(mean of x^2 + eps)", "rms std norm r sigma sqrtvar stddev sd", ("rms", "1 / rms", "mean_square", "mean_square + eps"), handed="rms"),
    Known("1 / rms", "1 / sqrt(mean of x^2 + eps)", "rrms rstd invrms inv irms scale", ("1 / rms", "rms"), handed="1 / rms"),
    Known("x_hat", "x / rms", X_HAT, ("x_hat",), BOTH, handed="x_hat"),
    Known("dx_hat", "dy * weight", DX_HAT, ("dx_hat",)),
    Known("d(1 / rms)", "the gradient of 1 / rms: the sum of dx_hat * x", "drrms dinvrms dirms drstd dinv", (ALONG_RMS,)),
    Known("drms", "the gradient of the root mean square", "drms dr dstd", (DRMS, ALONG_RMS)),
    Known("d(mean of x^2)", "the gradient of the mean square", "dms dmeansquare dmeansq dvar", (f"{DRMS} / (2 * rms)", DRMS)),
    Known("mean of dx_hat * x_hat", "dx_hat * x_hat averaged over the row", "dot mean m meandxhatxhat inner proj", (DOT, f"x.shape[-1] * {DOT}", ALONG_RMS, f"{ALONG_RMS} / x.shape[-1]")),
)  # fmt: skip

# The records.


def _per_channel(values: Mapping[str, Any]) -> list[list[Convention]]:
    """A weight and a bias of the shape (1, C, 1, 1)."""

    def home(g: Array) -> Array:
        return np.reshape(g, -1) if np.ndim(g) == 4 and np.size(g) == np.shape(g)[1] else g

    there = dict.fromkeys(("weight", "bias"), lambda a: a.reshape(1, -1, 1, 1))
    sentence = "the weight and the bias have the shape (1, C, 1, 1)"
    return [[Convention(sentence, there, dict.fromkeys(there, home))]] if values["input"].ndim == 4 else []


def _of_places(torch: ModuleType, v: Values) -> Any:
    """torch's layer norm takes the channels last."""
    last = v.input.movedim(1, -1)
    return torch.nn.functional.layer_norm(last, last.shape[-1:], v.weight, v.bias, v.eps).movedim(-1, 1)


def _batch_norm(name: str, rank: int, *modules: str) -> Op:
    image = rank > 2
    axes = KEPT if image else "0"
    alone = "The backward's means must run over the batch and all positions."
    batch_alone = (
        Patch("dx = (dx_hat", "dx = (dx_hat - dx_hat.mean(0, keepdims=True) - x_hat * (dx_hat * x_hat).mean(0, keepdims=True)) / std", slugs.AXIS, alone),
        Patch("std = np.sqrt(var + eps)", "centred = x - x.mean(0, keepdims=True); std = np.sqrt((centred**2).mean(0, keepdims=True) + eps)", slugs.AXIS, "The statistics must run over the batch and all positions."),
    )  # fmt: skip
    patches = (
        *_standardised(gamma="gamma" if image else "weight", axes=axes),
        *_over("(1, 2, 3)" if image else "1"),
        *_evaluation(axes),
    )
    return from_textbook(
        name,
        modules,
        (
            array("input", axes="N C H W" if image else "N D"),
            data("running_mean", optional=True),
            data("running_var", optional=True),
            CHANNEL_WEIGHT if image else WEIGHT,
            CHANNEL_BIAS if image else BIAS,
            option("training", True, True, "train", "is_training", "train_flg", "mode", vary=(False,)),
            option("momentum", 0.1, 0.2),
            EPS,
        ),
        textbook.batch_norm2d if image else textbook.batch_norm,
        (*patches, *RUNNING, *(batch_alone if image else ())),
        make=_make_batch_norm(rank),
        outputs=("output", "running_mean", "running_var"),
        family="norm",
        affine=True,
        sizes=(("num_features", "weight", 0),),
        known=_standard(axes),
        conventions=_per_channel,
        statistics=lambda ndim: (0, *range(2, ndim)),
        derivation="batch-norm.md",
    )


OPERATIONS = (
    replace(_batch_norm("batch_norm", 2, "BatchNorm1d", "batchnorm", "BatchNorm"), images="batch_norm2d"),
    _batch_norm("batch_norm2d", 4, "BatchNorm2d", "spatial_batchnorm", "spatial_batch_norm"),
    from_textbook(
        "layer_norm",
        ("LayerNorm", "layernorm"),
        (ROWS, option("normalized_shape", None), WEIGHT, BIAS, EPS),
        textbook.layer_norm,
        (*_standardised(), *_over("tuple(range(x.ndim - len(normalized_shape)))")),
        make=_make_layer_norm,
        by_rows=True,
        family="norm",
        affine=True,
        sizes=(("normalized_shape", "weight", 0),),
        deeper=True,
        known=_standard(),
        statistics=lambda _: (-1,),
        derivation="layer-norm.md",
    ),
    from_textbook(
        "layer_norm2d",
        ("LayerNorm2d", "layer_norm_channels_first", "layernorm2d"),
        (IMAGE, CHANNEL_WEIGHT, CHANNEL_BIAS, EPS),
        textbook.layer_norm2d,
        (*_standardised(gamma="gamma", axes=f"1, {KEEP}"), *_over("(1, 2, 3)")),
        make=_make_positions,
        family="norm",
        affine=True,
        sizes=(("num_channels", "weight", 0),),
        known=_standard(f"1, {KEEP}"),
        conventions=_per_channel,
        statistics=lambda _: (1,),
        derivation="layer-norm.md",
        in_torch=_of_places,
    ),
    from_textbook(
        "group_norm",
        ("GroupNorm", "groupnorm", "spatial_groupnorm"),
        (
            IMAGE,
            option("num_groups", 2, 2, "g", "groups", "n_groups"),
            CHANNEL_WEIGHT,
            CHANNEL_BIAS,
            EPS,
        ),
        textbook.group_norm,
        (
            *_standardised("dgrouped", "gamma.reshape(1, num_groups, -1, 1)", "dy.reshape(grouped.shape)"),
            *_over("(3,)", "dgrouped", "grouped"),
            Patch(
                "dweight =",
                "dweight = (dy * y).sum(rest)",
                slugs.TENSOR,
                "dgamma multiplies dy with the output where x_hat belongs.",
            ),
        ),
        make=_make_group_norm,
        family="norm",
        derivation="normalisations.md",
        affine=True,
        sizes=(("num_channels", "weight", 0),),
        conventions=_per_channel,
    ),
    from_textbook(
        "instance_norm",
        ("InstanceNorm2d", "InstanceNorm1d"),
        (IMAGE, CHANNEL_WEIGHT, CHANNEL_BIAS, EPS),
        textbook.instance_norm,
        _standardised(gamma="gamma"),
        make=_make_instance_norm,
        family="norm",
        derivation="normalisations.md",
        affine=True,
        sizes=(("num_features", "weight", 0),),
        known=_standard(),
        conventions=_per_channel,
        statistics=lambda ndim: tuple(range(2, ndim)),
    ),
    from_textbook(
        "rms_norm",
        ("RMSNorm", "rmsnorm"),
        (ROWS, option("normalized_shape", None), WEIGHT, option("eps", None, 1e-2, vary=(None,))),
        textbook.rms_norm,
        RMS_PATCHES,
        make=_make_layer_norm,
        family="norm",
        derivation="normalisations.md",
        affine=True,
        zero_rows=True,
        sizes=(("normalized_shape", "weight", 0),),
        deeper=True,
        known=RMS_KNOWN,
        statistics=lambda _: (-1,),
        centred=False,
    ),
    from_textbook(
        "local_response_norm",
        ("LocalResponseNorm", "lrn"),
        (
            IMAGE,
            option("size", 3, 3, "n", vary=(4,)),
            option("alpha", 1e-4, 0.7),
            option("beta", 0.75, 0.6),
            option("k", 1.0, 1.3),
        ),
        textbook.local_response_norm,
        RESPONSE,
        make=_make_channels,
        family="norm",
        derivation="normalisations.md",
        affine=True,
    ),
)
