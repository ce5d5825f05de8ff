"""The pure functions, each returning its output and its backward; mirrors `torch.nn.functional`."""

from torchref.nn.activation import glu, logsigmoid, mish, sigmoid, silu, softplus, softsign, tanh, tanhshrink
from torchref.nn.batchnorm import batch_norm
from torchref.nn.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from torchref.nn.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from torchref.nn.embedding import embedding, embedding_bag
from torchref.nn.exponential import celu, elu, selu
from torchref.nn.gelu import gelu
from torchref.nn.hard import hardshrink, hardsigmoid, hardswish, hardtanh, relu6, softshrink
from torchref.nn.instancenorm import instance_norm
from torchref.nn.linear import linear
from torchref.nn.local_response_norm import local_response_norm
from torchref.nn.loss.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from torchref.nn.loss.classification import cross_entropy, nll_loss
from torchref.nn.loss.regression import l1_loss, mse_loss
from torchref.nn.normalization import group_norm, layer_norm, rms_norm
from torchref.nn.padding import pad
from torchref.nn.rectifier import leaky_relu, prelu, relu, rrelu, threshold
from torchref.nn.shape import channel_shuffle, flatten, one_hot, pixel_shuffle, pixel_unshuffle, unflatten
from torchref.nn.softmax import gumbel_softmax, log_softmax, softmax, softmin

__all__ = [
    "alpha_dropout",
    "batch_norm",
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
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "flatten",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "instance_norm",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "unflatten",
]
