# ruff: noqa: E501
"""Normalisations, with a row of small variance that shows where eps stands."""

from __future__ import annotations

from typing import Any

from torchref.check.catalogue.common import BIAS, EPS, WEIGHT, X, away
from torchref.check.mistakes import norms
from torchref.check.ops import Op, data, option


def affine(rng: Any, c: int) -> dict[str, Any]:
    return {"weight": away(rng, (c,)), "bias": away(rng, (c,))}


def make_layer_norm(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    n, d = (5, 5) if variant == "square" else (5, 7)
    x = rng.normal(size=(n, d)) * rng.uniform(0.6, 1.8, (n, 1)) + rng.normal(size=(n, 1))
    x[2] = 0.3 + rng.normal(size=d) * 0.02  # a row of small variance shows where eps stands
    return {"input": x, **affine(rng, d)}


def make_batch_norm(rank: int) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        n, c = (5, 5) if variant == "square" else (5, 7) if rank == 2 else (5, 3)
        shape = (n, c, *(2, 7)[: rank - 2]) if rank > 2 else (n, c)
        per_channel = [1, c] + [1] * (rank - 2)
        x = rng.normal(size=shape) * rng.uniform(0.6, 1.8, per_channel) + rng.normal(size=per_channel)
        x[:, 2] = 0.3 + rng.normal(size=x[:, 2].shape) * 0.02
        return {
            "input": x, **affine(rng, c), "running_mean": rng.normal(size=c), "running_var": rng.uniform(0.6, 2.1, c),
        }  # fmt: skip

    return make


def make_group_norm(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    g = o["num_groups"]
    c = g * 3
    x = rng.normal(size=(2, c, 5, 7)) * rng.uniform(0.6, 1.8, (1, c, 1, 1)) + rng.normal(size=(1, c, 1, 1))
    x[1, :3] = 0.3 + rng.normal(size=(3, 5, 7)) * 0.02
    return {"input": x, **affine(rng, c)}


def make_instance_norm(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = rng.normal(size=(2, 3, 5, 7)) * rng.uniform(0.6, 1.8, (2, 3, 1, 1))
    x[1, 2] = 0.3 + rng.normal(size=(5, 7)) * 0.02
    return {"input": x, **affine(rng, 3)}


def make_channels(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"input": rng.normal(size=(2, 7, 3, 5)) * 2}


def batch_norm(name: str, rank: int, *modules: str) -> Op:
    return Op(
        name, modules,
        (X, data("running_mean", optional=True), data("running_var", optional=True), WEIGHT, BIAS,
         option("training", True, True, "train", "is_training", "train_flg", "mode"), option("momentum", 0.1, 0.2), EPS),
        norms.batch_norm, norms.BATCH_NORM, make_batch_norm(rank), outputs=("output", "running_mean", "running_var"),
        family="norm", sizes=(("num_features", "weight", 0),),
    )  # fmt: skip


NORMS = (
    batch_norm("batch_norm", 2, "BatchNorm1d", "batchnorm", "BatchNorm"),
    batch_norm("batch_norm2d", 4, "BatchNorm2d", "spatial_batchnorm", "spatial_batch_norm"),
    Op("layer_norm", ("LayerNorm", "layernorm"), (X, option("normalized_shape", None), WEIGHT, BIAS, EPS), norms.layer_norm, norms.LAYER_NORM,
       make_layer_norm, family="norm", sizes=(("normalized_shape", "weight", 0),)),
    Op("group_norm", ("GroupNorm", "groupnorm", "spatial_groupnorm"), (X, option("num_groups", 2, 2, "g", "groups", "n_groups"), WEIGHT, BIAS, EPS), norms.group_norm,
       norms.LAYER_NORM, make_group_norm, family="norm", sizes=(("num_channels", "weight", 0),)),
    Op("instance_norm", ("InstanceNorm2d", "InstanceNorm1d"), (X, WEIGHT, BIAS, EPS), norms.instance_norm, norms.CORE, make_instance_norm,
       family="norm", sizes=(("num_features", "weight", 0),)),
    Op("rms_norm", ("RMSNorm", "rmsnorm"), (X, option("normalized_shape", None), WEIGHT, option("eps", None, 1e-2)), norms.rms_norm, norms.RMS_NORM,
       make_layer_norm, family="norm", zero_rows=True, sizes=(("normalized_shape", "weight", 0),)),
    Op("local_response_norm", ("LocalResponseNorm", "lrn"),
       (X, option("size", 3, 3, "n"), option("alpha", 1e-4, 0.7), option("beta", 0.75, 0.6), option("k", 1.0, 1.3)), norms.local_response_norm,
       norms.LOCAL_RESPONSE, make_channels, family="norm"),
)  # fmt: skip
