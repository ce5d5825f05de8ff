"""The differences that are meant: each a row of manual/differences.md, with the calls of the fuzz that show it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.fuzz.endings import Difference


@dataclass(frozen=True)
class Known:
    """What differs in which functions once which argument is spoiled. `row` is the name in brackets on the page."""

    row: str
    functions: str  # exact names
    spoiled: str  # a pattern: the argument, and what was done to it
    how: str  # a pattern: the result that differs (output, gradient), or which library raises
    says: str = ""  # a pattern: of torch's message where torch alone raises, else of ours
    holds: Callable[[Difference], bool] = lambda difference: True

    def shown(self, d: Difference) -> bool:
        return (
            d.name in self.functions.split()
            and any(re.match(rf"({self.spoiled})(\W|$)", what) is not None for what in d.spoiled)
            and re.match(self.how, d.how) is not None
            and (d.theirs if d.ours.error is None else d.ours).says(self.says)
            and self.holds(d)
        )


def ends_in_blank(d: Difference) -> bool:
    """A target of ctc_loss has the blank as its last label."""
    _, targets, _, lengths = d.case.inputs
    if targets.ndim != 2:
        return False
    labels = zip(targets, np.ravel(lengths), strict=True)
    return any(n > 0 and row[n - 1] == d.case.kwargs.get("blank", 0) for row, n in labels)


def an_array(d: Difference) -> bool:
    return isinstance(d.case.inputs[0], np.ndarray)


SIZES = (
    "must be the same|must have the same shape|does not fit input|expected inputs .N, D.|margin_loss.*target has|"
    "does not broadcast to"
)
NAN = r"with.*nan.*"
INFINITE = r"with.*(nan|inf).*"
VALUE = "gradient: another value"
KNOWN = [
    Known(
        "not finite",
        "ReLU6 functional.relu6 Hardtanh functional.hardtanh",
        f"input 0 {NAN}|argument (0|max_val) nan",
        VALUE,
    ),
    Known("not finite", "Hardshrink functional.hardshrink Softshrink functional.softshrink", f"input 0 {NAN}", VALUE),
    Known("not finite", "Hardswish functional.hardswish SELU functional.selu functional.elu", f"input 0 {NAN}", VALUE),
    Known("not finite", "LPPool1d LPPool2d functional.lp_pool1d functional.l1_loss RNNCell", f"input 0 {NAN}", VALUE),
    Known(
        "not finite",
        "PairwiseDistance functional.pairwise_distance TripletMarginLoss functional.triplet_margin_loss "
        "TripletMarginWithDistanceLoss",
        f"input (0|1) {NAN}|argument 1 nan",
        "gradient: (other nan|another value)",
    ),
    Known("not finite", "Softsign functional.softsign", f"input 0 {INFINITE}", "gradient: other nan"),
    Known(
        "not finite",
        "KLDivLoss PoissonNLLLoss functional.poisson_nll_loss",
        f"input 1 {INFINITE}",
        "gradient: other nan",
    ),
    Known(
        "not finite",
        "BCEWithLogitsLoss functional.binary_cross_entropy_with_logits",
        f"input (0|1) {INFINITE}",
        "gradient: other nan",
    ),
    Known(
        "not finite",
        "MultiLabelSoftMarginLoss functional.multilabel_soft_margin_loss",
        f"(input (0|1)|option weight) {INFINITE}",
        "(output|gradient): other nan",
    ),
    Known(
        "not finite",
        "ELU functional.elu functional.celu functional.leaky_relu",
        "argument (0|alpha|negative_slope) (nan|inf)",
        "output: another value",
    ),
    Known("not finite", "functional.prelu", f"input 1 {INFINITE}", "output: another value"),
    Known("not finite", "functional.conv2d", f"input 1 {INFINITE}", "gradient: other nan"),
    Known("not finite", "functional.conv_transpose1d", f"input 1 {INFINITE}", "output: another value"),
    Known("not finite", "functional.group_norm", f"option weight {INFINITE}", "output: other nan"),
    Known(
        "not finite",
        "UpsamplingBilinear2d functional.upsample_bilinear functional.interpolate functional.upsample",
        f"input 0 {INFINITE}",
        "output: (other nan|another value)",
    ),
    Known(
        "not finite",
        "MultiMarginLoss functional.multi_margin_loss MultiLabelMarginLoss functional.multilabel_margin_loss",
        f"input 0 {INFINITE}",
        "output: (other nan|another value)",
    ),
    Known(
        "not finite",
        "MultiheadAttention functional.multi_head_attention_forward",
        f"input (0|6) {INFINITE}",
        "(output|gradient): another value",
    ),
    Known("integers", "PoissonNLLLoss functional.poisson_nll_loss", "input 0 as (int32|bool)", "output: another value"),
    Known("integers", "Softsign functional.softsign", "input 0 as uint8", "output: other nan"),
    Known(
        "blank at the end",
        "CTCLoss functional.ctc_loss",
        "as it is|argument zero_infinity",
        "gradient: another value",
        holds=ends_in_blank,
    ),
    Known("nothing there", "GroupNorm functional.group_norm", "input 0 dimension 2 of 0", "gradient: other nan"),
    Known(
        "nothing there", "functional.scaled_dot_product_attention", "input 0 dimension 0 of 0", "output: another shape"
    ),
    Known(
        "sequences",
        "utils.rnn.pack_sequence utils.rnn.pad_sequence",
        "input 0",
        "gradient: another shape",
        holds=an_array,
    ),
    Known("broadcasting", "SoftMarginLoss functional.soft_margin_loss", "input 0", "both raise", SIZES),
    Known(
        "broadcasting",
        (
            "CosineEmbeddingLoss GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss "
            "MultiLabelSoftMarginLoss PoissonNLLLoss SmoothL1Loss SoftMarginLoss "
            "functional.cosine_embedding_loss functional.gaussian_nll_loss functional.hinge_embedding_loss "
            "functional.huber_loss functional.kl_div functional.l1_loss functional.margin_ranking_loss "
            "functional.mse_loss functional.multilabel_margin_loss functional.multilabel_soft_margin_loss "
            "functional.poisson_nll_loss functional.smooth_l1_loss functional.soft_margin_loss"
        ),
        "input (0|1|2)|option weight",
        "we alone raise",
        SIZES,
    ),
    Known(
        "broadcasting",
        ("functional.linear functional.multi_head_attention_forward functional.scaled_dot_product_attention"),
        "input (1|12|2)",
        "we alone raise",
        "bias has shape .(1,)?.,|equally many rows|to one batch of scores",
    ),
    Known(
        "two dtypes",
        (
            "AdaptiveLogSoftmaxWithLoss BCEWithLogitsLoss BatchNorm1d CosineEmbeddingLoss CosineSimilarity "
            "GaussianNLLLoss KLDivLoss L1Loss MarginRankingLoss MultiLabelSoftMarginLoss MultiMarginLoss "
            "PairwiseDistance PoissonNLLLoss TransformerEncoder TripletMarginWithDistanceLoss "
            "functional.binary_cross_entropy_with_logits functional.conv_transpose1d "
            "functional.hinge_embedding_loss functional.instance_norm functional.kl_div "
            "functional.margin_ranking_loss functional.mse_loss functional.pairwise_distance "
            "functional.poisson_nll_loss functional.rms_norm functional.smooth_l1_loss "
            "functional.soft_margin_loss functional.triplet_margin_loss functional.multilabel_soft_margin_loss"
        ),
        "argument eps|input (0|1|2)|option (mask|weight)",
        "we alone raise",
        "to have the same dtype|has dtype float|expected a target of dtype int64",
    ),
    Known(
        "integers",
        (
            "AlphaDropout CrossEntropyLoss Dropout1d Dropout2d HingeEmbeddingLoss InstanceNorm1d LPPool1d "
            "LPPool2d LPPool3d LocalResponseNorm LogSoftmax MultiMarginLoss Softmax Softmax2d Unfold "
            "UpsamplingBilinear2d UpsamplingNearest2d functional.adaptive_avg_pool1d "
            "functional.adaptive_avg_pool2d functional.conv_transpose2d functional.cross_entropy "
            "functional.dropout3d functional.embedding functional.feature_alpha_dropout "
            "functional.hinge_embedding_loss functional.interpolate functional.log_softmax "
            "functional.lp_pool1d functional.lp_pool3d functional.multi_margin_loss functional.rms_norm "
            "functional.softmax functional.softmin functional.unfold functional.upsample_bilinear "
            "functional.upsample_nearest functional.linear SyncBatchNorm"
        ),
        "argument (0|weight)|input (0|1|2)|option weight",
        "we alone raise",
        "must be floating point|must hold numbers|dtype int64",
    ),
    Known(
        "integers",
        "HuberLoss SoftMarginLoss functional.huber_loss",
        "input (0|1)",
        "torch alone raises",
        "dtype|result type|output type|not implemented for|Integral inputs",
    ),
    Known(
        "not finite",
        (
            "AlphaDropout Dropout Dropout2d Dropout3d FeatureAlphaDropout TransformerDecoderLayer "
            "functional.dropout functional.dropout1d functional.dropout2d functional.dropout3d"
        ),
        "argument (0|3|p)",
        "both raise",
        "probability has to be",
    ),
    Known(
        "types of numbers",
        (
            "BatchNorm2d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Embedding "
            "EmbeddingBag GroupNorm InstanceNorm2d LSTM MaxUnpool1d MaxUnpool2d MaxUnpool3d "
            "MultiheadAttention RNN SyncBatchNorm Transformer TransformerEncoderLayer functional.embedding "
            "functional.max_unpool1d functional.max_unpool2d functional.max_unpool3d functional.normalize"
        ),
        "argument (0|1|2|6|groups|p|padding|padding_idx|stride)",
        "both raise",
        "must be (an int|a number)|should be of type int",
    ),
    Known(
        "types of numbers",
        ("GaussianNLLLoss functional.gumbel_softmax functional.multilabel_soft_margin_loss functional.normalize"),
        "argument p|input (0|1)",
        "we alone raise",
        "must be (numpy.ndarray, not (float|int)|a number, not NoneType)",
    ),
    Known("types of numbers", "functional.embedding_bag", "option offsets", "both raise", "must be numpy.ndarray"),
    Known(
        "types of numbers", "functional.interpolate", "argument align_corners", "torch alone raises", "align_corners"
    ),
    Known(
        "unused arguments",
        (
            "BatchNorm1d ConstantPad1d InstanceNorm1d InstanceNorm2d InstanceNorm3d LocalResponseNorm SyncBatchNorm "
            "functional.local_response_norm functional.max_unpool2d functional.max_unpool3d "
            "functional.normalize"
        ),
        "argument (0|alpha|beta|dim|kernel_size|padding|size)",
        "we alone raise",
        "must be an int|must not be negative|dropout probability|local_resp|does not fit into|should contain",
    ),
    Known(
        "nothing there",
        (
            "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
            "AdaptiveMaxPool3d ChannelShuffle PixelShuffle functional.adaptive_avg_pool1d "
            "functional.adaptive_max_pool3d functional.channel_shuffle functional.pixel_shuffle "
            "functional.pixel_unshuffle"
        ),
        "argument (0|output_size)|input 0",
        "torch alone raises",
        "non-zero size|invalid gradient|Number of groups|divisible by the square",
    ),
    Known(
        "nothing there",
        (
            "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool2d BatchNorm1d BatchNorm3d CircularPad3d "
            "FractionalMaxPool2d InstanceNorm1d functional.adaptive_avg_pool1d "
            "functional.adaptive_avg_pool3d functional.adaptive_max_pool1d functional.adaptive_max_pool2d "
            "functional.instance_norm"
        ),
        "argument 0|input 0",
        "we alone raise",
        "has no classes|should contain|cuts off more|only the batch may be empty",
    ),
    Known("padded windows", "functional.avg_pool3d", "input 0", "torch alone raises", "smaller than kernel size"),
    Known(
        "sequences", "utils.rnn.pack_padded_sequence", "argument lengths", "we alone raise", "one length for each of"
    ),
    Known(
        "sequences",
        "MaxUnpool3d functional.fractional_max_pool2d functional.max_unpool2d",
        "argument (0|kernel_size|output_size)",
        "torch alone raises",
        "must either be a single Int|There should be exactly",
    ),
    Known("inplace", "CELU ELU LeakyReLU", "argument 0", "torch alone raises", "In-place"),
    Known(
        "sequences",
        "functional.max_unpool1d functional.max_unpool2d",
        "argument (padding|stride)",
        "we alone raise",
        "single integer or",
    ),
    Known(
        "label smoothing",
        "CrossEntropyLoss LinearCrossEntropyLoss functional.cross_entropy",
        "argument label_smoothing",
        "we alone raise",
        "label_smoothing",
    ),
    # --- tensor functions ---
    Known(
        "not finite",
        "tensor.addmm tensor.addmv tensor.addbmm tensor.baddbmm tensor.addr tensor.einsum tensor.prod tensor.cumprod "
        "tensor.logit tensor.scatter_reduce tensor.logcumsumexp tensor.var tensor.std tensor.var_mean tensor.std_mean",
        f"(input .|argument (alpha|beta|eps)) (inf|nan|-0.5|{INFINITE})|input 0 dimension",
        "(output|gradient): (other nan|another value)",
    ),
    Known(
        "mixed dtypes",
        "tensor.addcmul tensor.addcdiv tensor.lerp tensor.atan2 tensor.fmax tensor.fmin tensor.pow tensor.div",
        "input . as (float32|int64|int32)",
        VALUE,
    ),
    Known("mixed dtypes", "tensor.addr tensor.einsum", "input . as", "we alone raise", "expected one dtype|booleans"),
    Known(
        "index errors",
        "tensor.index_add tensor.index_copy tensor.index_fill tensor.index_put tensor.index_select tensor.index",
        "input",
        "both raise: ours",
    ),
    Known(
        "index errors", "tensor.gather tensor.scatter", "input 2 as", "we alone raise RuntimeError", "must hold int64"
    ),
    Known("two numbers", "tensor.mul tensor.sub tensor.add tensor.div", "input . a number", "we alone raise TypeError"),
    Known(
        "inner operators",
        "tensor.sigmoid_backward tensor.tanh_backward tensor.threshold_backward tensor.softmax_backward_data "
        "tensor.log_softmax_backward_data",
        "input",
        "both raise: ours|we alone raise|torch alone raises|(output|gradient): other nan",
    ),
    Known("wider bounds", "tensor.clamp", "input 0", "torch alone raises RuntimeError", "broadcast shape"),
    Known(
        "longer src",
        "tensor.scatter tensor.scatter_add tensor.scatter_reduce",
        "input [23] dimension",
        "torch alone raises RuntimeError",
        "invalid gradient|must match the size",
    ),
    Known("integers", "tensor.einsum", "input . as (uint8|int32|bool)", "output: dtype"),
    Known("integers", "tensor.atan2", "input . as uint8", VALUE),
    Known("integers", "tensor.fill", "input 0 as", "torch alone raises RuntimeError", "not support dtype"),
    Known("integers", "tensor.addcdiv", "input . as", "torch alone raises RuntimeError", "can't be cast"),
    Known("a single boolean", "tensor.index", "input . (0-d|dimension 0 dropped)", "we alone raise IndexError"),
    Known("masks of bytes", "tensor.index", "input . as uint8", "we alone raise IndexError"),
    Known(
        "none given",
        "tensor.max tensor.min tensor.median tensor.nanmedian tensor.prod",
        "argument dim None|input 1 None",
        "torch alone raises TypeError",
    ),
    Known(
        "equal entries",
        "tensor.topk tensor.kthvalue tensor.median tensor.nanmedian",
        "input 0",
        "(output|gradient): another value",
    ),
]


def known(difference: Difference) -> Known | None:
    """The first row that says of `difference` that it is meant."""
    return next((k for k in KNOWN if k.shown(difference)), None)
