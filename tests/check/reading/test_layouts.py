"""Arrays that are laid out otherwise than torch's: the layout is found, a note says so, and mistakes get their name."""

import numpy as np
import pytest

from torchref.check.api import Asked, judge


def of(code, against):
    return judge(code, Asked(against), "code")


def rnn_step(sign):
    """One step of a recurrence with one matrix on [h, x], as a pair; `sign` is that of the state's gradient."""

    def forward(x, h, W, b):
        joint = np.concatenate([h, x], axis=1)
        y = np.tanh(joint @ W.T + b)
        return y, (joint, y, W, h.shape[1])

    def backward(dy, cache):
        joint, y, W, n = cache
        dz = dy * (1 - y**2)
        djoint = dz @ W
        return djoint[:, n:], sign * djoint[:, :n], dz.T @ joint, dz.sum(0)

    return forward, backward


def test_one_matrix_on_state_and_input():
    """Catches a recurrence with [h, x] in one product that is not run, or whose mistake has no name."""
    right = of(rnn_step(1), "rnn_cell")
    assert right.verdict == "right", right.text()
    assert "the weights are one matrix on [h, x]" in right.notes
    wrong = of(rnn_step(-1), "rnn_cell")
    assert [(f.gradient, f.slug) for f in wrong.findings] == [("hx", "wrong-sign")], wrong.text()


class DenseRow:
    """A linear layer whose bias is a row, (1, out)."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0, keepdims=True)
        return dy @ self.W.T


def test_a_bias_that_is_a_row():
    """Catches keepdims that counts as a mistake where the user's own bias has that axis."""
    right = of(DenseRow, "linear")
    assert right.verdict == "right", right.text()


@pytest.mark.parametrize("sign", [1, -1])
def test_one_example_without_a_batch(sign):
    """Catches code for one vector that is refused."""

    def linear(x, W, b):
        return W @ x + b, lambda dy: (W.T @ dy, sign * np.outer(dy, x), dy)

    verdict = of(linear, "linear")
    assert "it is judged on one example, without the axis of the batch" in verdict.notes, verdict.text()
    slugs = [(f.gradient, f.slug) for f in verdict.findings]
    assert slugs == ([] if sign == 1 else [("weight", "wrong-sign")])


def of_one_image(sign):
    class Convolution:
        """A convolution of one image, with a bias for each position of the output."""

        def __init__(self, weight, bias):
            self.weight, self.bias = weight, bias

        def forward(self, x):
            if x.ndim != 3:
                raise ValueError("one image")
            self.x, (rows, columns) = x, self.weight.shape[2:]
            self.windows = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), (1, 2))
            y = np.einsum("chwkl,mckl->mhw", self.windows, self.weight)
            if self.bias.shape != y.shape:
                raise ValueError("a bias for each position")
            return y + self.bias

        def backward(self, dy):
            rows, columns = self.weight.shape[2:]
            dx = np.zeros_like(self.x)
            for i in range(dy.shape[1]):
                for j in range(dy.shape[2]):
                    dx[:, i : i + rows, j : j + columns] += np.einsum("m,mckl->ckl", dy[:, i, j], self.weight)
            self.dweight = np.einsum("chwkl,mhw->mckl", self.windows, dy)
            self.dbias = sign * dy
            return dx

    return Convolution


@pytest.mark.parametrize("sign", [1, -1])
def test_one_image_with_a_bias_for_each_position(sign):
    """Catches a convolution of one image, its bias shaped like the output, that is refused or not judged."""
    verdict = of(of_one_image(sign), "conv2d")
    assert any("one image, with a bias for each position" in note for note in verdict.notes), verdict.text()
    assert [(f.gradient, f.slug) for f in verdict.findings] == ([] if sign == 1 else [("bias", "wrong-sign")])
