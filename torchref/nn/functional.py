"""The pure functions, each returning its output and its backward; mirrors `torch.nn.functional`."""

from torchref.nn.activation import glu, logsigmoid, mish, sigmoid, silu, softplus, softsign, tanh, tanhshrink
from torchref.nn.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from torchref.nn.attention import scaled_dot_product_attention
from torchref.nn.average_pooling import avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d
from torchref.nn.batchnorm import batch_norm
from torchref.nn.bilinear import bilinear
from torchref.nn.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from torchref.nn.distance import cosine_similarity, normalize, pairwise_distance, pdist
from torchref.nn.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from torchref.nn.embedding import embedding, embedding_bag
from torchref.nn.exponential import celu, elu, selu
from torchref.nn.fold import fold, unfold
from torchref.nn.fractional_pooling import fractional_max_pool2d, fractional_max_pool3d
from torchref.nn.gelu import gelu
from torchref.nn.grid import affine_grid, grid_sample
from torchref.nn.hard import hardshrink, hardsigmoid, hardswish, hardtanh, relu6, softshrink
from torchref.nn.instancenorm import instance_norm
from torchref.nn.linear import linear
from torchref.nn.local_response_norm import local_response_norm
from torchref.nn.loss.binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from torchref.nn.loss.classification import cross_entropy, nll_loss
from torchref.nn.loss.ctc import ctc_loss
from torchref.nn.loss.embedding import cosine_embedding_loss, triplet_margin_loss, triplet_margin_with_distance_loss
from torchref.nn.loss.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from torchref.nn.loss.linear_cross_entropy import linear_cross_entropy
from torchref.nn.loss.margin import hinge_embedding_loss, margin_ranking_loss, multi_margin_loss, multilabel_margin_loss
from torchref.nn.loss.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from torchref.nn.max_pooling import max_pool1d, max_pool2d, max_pool3d
from torchref.nn.multi_head_attention import multi_head_attention_forward
from torchref.nn.normalization import group_norm, layer_norm, rms_norm
from torchref.nn.padding import pad
from torchref.nn.rectifier import leaky_relu, prelu, relu, rrelu, threshold
from torchref.nn.shape import channel_shuffle, flatten, one_hot, pixel_shuffle, pixel_unshuffle, unflatten
from torchref.nn.softmax import gumbel_softmax, log_softmax, softmax, softmin
from torchref.nn.unpooling import max_unpool1d, max_unpool2d, max_unpool3d
from torchref.nn.upsample import interpolate, upsample, upsample_bilinear, upsample_nearest

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "flatten",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unflatten",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
