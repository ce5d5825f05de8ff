"""The exercises, in the order in which they are best done."""

from __future__ import annotations

from collections.abc import Iterator

from torchref.classroom.exercises.exercise import Exercise

__all__ = ["EXERCISES"]


def _with(operation: str, **options: tuple[float, ...]) -> tuple[str, ...]:
    """The operation with every combination of these values."""

    def combined(names: list[str]) -> Iterator[list[str]]:
        if not names:
            yield []
            return
        for rest in combined(names[1:]):
            yield from ([f"{names[0]}={value}", *rest] for value in options[names[0]])

    return tuple(f"{operation}({', '.join(values)})" for values in combined(list(options)))


EXERCISES = (
    Exercise(
        "relu",
        "ReLU",
        "relu",
        ("input",),
        (
            "Where does y change when x changes a little, and by how much?",
            "The slope is 1 where x > 0, and 0 elsewhere. dx is dy times the slope, entry by entry.",
            "x > 0 is an array of True and False; dy times it is dx.",
        ),
    ),
    Exercise(
        "leaky_relu",
        "Leaky ReLU",
        "leaky_relu",
        ("input",),
        (
            "There are two branches. Which slope has each?",
            "The slope is 1 where x > 0, and negative_slope elsewhere, at 0 as well.",
            "np.where chooses entry by entry: dy where x > 0, negative_slope dy elsewhere.",
        ),
        _with("leaky_relu", negative_slope=(0.05, 0.1, 0.2, 0.25, 0.4)),
    ),
    Exercise(
        "sigmoid",
        "Sigmoid",
        "sigmoid",
        ("input",),
        (
            "Differentiate 1 / (1 + exp(-x)), and write the result with y.",
            "The slope is exp(-x) / (1 + exp(-x))^2. One factor of it is y. What is the other?",
            "The slope is y (1 - y).",
        ),
    ),
    Exercise(
        "tanh",
        "Hyperbolic tangent",
        "tanh",
        ("input",),
        (
            "Write the slope with y, not with x.",
            "tanh = sinh / cosh, and the rule of quotients gives 1 - (sinh / cosh)^2.",
            "The slope is 1 - y^2.",
        ),
    ),
    Exercise(
        "gelu",
        "GELU",
        "gelu(approximate='tanh')",
        ("input",),
        (
            "y is a product of x and (1 + t) / 2. Both depend on x.",
            "The slope is (1 + t) / 2 + x / 2 times the slope of t; t = tanh(u) has the slope (1 - t^2) du.",
            "du = sqrt(2 / pi) (1 + 3 * 0.044715 x^2).",
        ),
    ),
    Exercise(
        "linear",
        "Linear layer",
        "linear",
        ("input", "weight", "bias"),
        (
            "Which shapes have dy and each gradient? A product must lead from the one to the other.",
            "y_nm = sum_d x_nd weight_md + bias_m. Each example n adds its part to dweight and to dbias.",
            "dx = dy weight, dweight = dy^T x, dbias = the sum of dy over the examples.",
        ),
    ),
    Exercise(
        "softmax",
        "Softmax",
        "softmax",
        ("input",),
        (
            "Each x_i is in the sum below, so it changes all y_j of its row.",
            "dy_j / dx_i = y_j ([i = j] - y_i). Multiply by dy_j, and add up over j.",
            "dx = y (dy - s), with s the sum of dy y over the row.",
        ),
    ),
    Exercise(
        "mse",
        "Mean squared error",
        "mse_loss",
        ("input",),
        (
            "By what number does the mean divide?",
            "The slope of the square is 2 (x - target). The mean divides by the number of all entries.",
            "dx = dloss 2 (x - target) / x.size.",
        ),
    ),
    Exercise(
        "bce",
        "Binary cross-entropy of logits",
        "binary_cross_entropy_with_logits",
        ("input",),
        (
            "Differentiate the two terms one by one.",
            "The first gives the sigmoid of x, the second -target; the mean divides.",
            "dx = dloss (sigmoid(x) - target) / x.size.",
        ),
    ),
    Exercise(
        "cross_entropy",
        "Softmax with cross-entropy",
        "cross_entropy",
        ("input",),
        (
            "-log p[target] = log(sum exp(x)) - x[target]. Differentiate that, not the softmax.",
            "The first term gives the softmax p, the second takes 1 away at the target. The mean is over the rows.",
            "p = np.exp(log_p); take 1 from p[n, target[n]] in each row n; times dloss / N.",
        ),
    ),
    Exercise(
        "embedding",
        "Embedding",
        "embedding",
        ("weight",),
        (
            "Which rows of weight has y read, and how often?",
            "A row that is read twice gets the sum of both gradients. dweight[ids] += dy keeps only one.",
            "np.add.at(dweight, ids, dy), from an array of zeros.",
        ),
    ),
    Exercise(
        "dropout",
        "Dropout",
        "dropout",
        ("input",),
        (
            "y is x times something that does not depend on x.",
            "The factor is mask / (1 - p). It belongs into the backward as a whole.",
            "dx = dy mask / (1 - p).",
        ),
        _with("dropout", p=(0.1, 0.2, 0.25, 0.4, 0.6)),
    ),
    Exercise(
        "batch_norm",
        "Batch norm",
        "batch_norm",
        ("input", "weight", "bias"),
        (
            "x goes into y on three paths: by itself, through mean, and through std.",
            "With dx_hat = dy weight: the mean takes away the mean of dx_hat, std takes away x_hat times the mean of "
            "dx_hat x_hat. All means are over the examples.",
            "dx = (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)) / std; dweight and dbias are sums over examples.",
        ),
        _with("batch_norm", eps=(1e-3, 0.02, 0.05, 0.1)),
    ),
    Exercise(
        "layer_norm",
        "Layer norm",
        "layer_norm",
        ("input", "weight", "bias"),
        (
            "It is batch norm along the other axis. Which of the sums change their axis, and which do not?",
            "mean and std belong to a row, weight and bias to a column.",
            "dx as in batch norm with means over the last axis; dweight and dbias are sums over the rows.",
        ),
        _with("layer_norm", eps=(1e-3, 0.02, 0.05, 0.1)),
    ),
    Exercise(
        "rms_norm",
        "RMS norm",
        "rms_norm",
        ("input", "weight"),
        (
            "There is no mean to subtract, so one path of layer norm is gone.",
            "d rms / dx_i = x_i / (D rms).",
            "dx = (dx_hat - x_hat mean(dx_hat x_hat)) / rms with dx_hat = dy weight.",
        ),
        _with("rms_norm", eps=(1e-3, 0.02, 0.05, 0.1)),
    ),
    Exercise(
        "conv2d",
        "Convolution",
        "conv2d",
        ("input", "weight", "bias"),
        (
            "Take one pair (i, j) of the loops: there y is a linear layer of `seen`.",
            "Each pair adds to the places of dpadded that it has seen. dx is dpadded without its frame.",
            "In the loops: dweight[:, :, i, j] = einsum('nopq,ncpq->oc', dy, seen), and the same slice of dpadded += "
            "einsum('nopq,oc->ncpq', dy, weight[:, :, i, j]).",
        ),
        _with("conv2d", stride=(1, 2, 3), padding=(0, 1, 2)),
    ),
    Exercise(
        "max_pool2d",
        "Max pooling",
        "max_pool2d",
        ("input",),
        (
            "y is a copy of one entry of x. Which one?",
            "The winner's row in x is the window's first row, p stride, plus winner // kernel_size.",
            "np.add.at(dx, (n, c, row, column), dy), with n, c, p, q = np.indices(dy.shape).",
        ),
        _with("max_pool2d", kernel_size=(2, 3), stride=(1, 2, 3)),
    ),
    Exercise(
        "rnn_cell",
        "A step of a recurrent network",
        "rnn_cell",
        ("input", "hx", "weight_ih", "weight_hh", "bias_ih"),
        (
            "First go back through tanh. Behind it are two linear layers whose results are added.",
            "da = dh_next (1 - h_next^2). It goes to both products, and to the bias.",
            "dx = da weight_ih, dweight_ih = da^T x; the same with h and weight_hh; dbias is the sum of da.",
        ),
    ),
    Exercise(
        "lstm_cell",
        "A step of an LSTM",
        "lstm_cell",
        ("input", "hx", "cx", "weight_ih", "weight_hh", "bias_ih"),
        (
            "Begin with c_next: it gets dc_next, and a part of dh_next through tanh.",
            "dc_all = dc_next + dh_next o (1 - tanh(c_next)^2). Then di = dc_all g, df = dc_all c, dg = dc_all i.",
            "Before the gates: di i (1 - i), df f (1 - f), dg (1 - g^2), do o (1 - o), joined along axis 1; from there "
            "on it is rnn_cell.",
        ),
    ),
    Exercise(
        "attention",
        "Scaled dot-product attention",
        "scaled_dot_product_attention",
        ("query", "key", "value"),
        (
            "Go back in steps: y = p v, p = softmax(scores), scores = q k^T / sqrt(E).",
            "dv = p^T dy and dp = dy v^T; then softmax's backward row by row; what is masked has p = 0.",
            "dscores = p (dp - sum(dp p)) / sqrt(E); dq = dscores k and dk = dscores^T q.",
        ),
        _with("scaled_dot_product_attention", is_causal=(False, True)),
    ),
)
