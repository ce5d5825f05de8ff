# ruff: noqa  (written as students write)
"""Dropout of channels, and SELU's dropout."""

import numpy as np

from tests.check.corpus import right, wrong


class ChannelDropout:
    def __init__(self, p=0.5):
        self.p = p

    def draw(self, x):
        return np.random.rand(x.shape[0], x.shape[1], 1, 1) > self.p

    def forward(self, x):
        self.mask = self.draw(x) / (1 - self.p)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


right("Dropout2d")(ChannelDropout)


@wrong("Dropout2d", "dropout-mask-or-scale", "output")
class EntriesDropped(ChannelDropout):
    def draw(self, x):
        return np.random.rand(*x.shape) > self.p


@wrong("Dropout2d", "dropout-mask-or-scale", "input")
class ChannelsUnscaledBack(ChannelDropout):
    def backward(self, dy):
        return dy * (self.mask > 0)


@right("dropout2d(p=0.3)")
def channel_dropout(x, mask, p=0.3):
    return x * mask / (1 - p), lambda dy: dy * mask / (1 - p)


@wrong("dropout2d(p=0.3)", "dropout-mask-or-scale", "input")
def channel_dropout_unmasked(x, mask, p=0.3):
    return x * mask / (1 - p), lambda dy: dy / (1 - p)


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


class AlphaDropout:
    def __init__(self, p=0.5):
        self.p = p
        self.low = -SCALE * ALPHA
        self.a = ((1 - p) * (1 + p * self.low**2)) ** -0.5
        self.b = -self.a * p * self.low

    def forward(self, x):
        self.keep = np.random.rand(*x.shape) >= self.p
        return self.a * np.where(self.keep, x, self.low) + self.b

    def backward(self, dy):
        return dy * self.a * self.keep


right("AlphaDropout")(AlphaDropout)


@wrong("AlphaDropout", "dropout-mask-or-scale", "input")
class AlphaDropoutScaledAsDropout(AlphaDropout):
    def backward(self, dy):
        return dy * self.keep / (1 - self.p)


@wrong("AlphaDropout", "dropout-mask-or-scale", "input")
class AlphaDropoutUnmasked(AlphaDropout):
    def backward(self, dy):
        return dy * self.a


@right("alpha_dropout(p=0.2)")
def alpha_dropout(x, mask, p=0.2):
    low = -SCALE * ALPHA
    a = 1 / np.sqrt((1 - p) * (1 + p * low**2))
    return a * (x * mask + low * (1 - mask)) - a * p * low, lambda dy: a * mask * dy


@wrong("alpha_dropout(p=0.2)", "dropout-mask-or-scale", "output")
def alpha_dropout_not_shifted(x, mask, p=0.2):
    low = -SCALE * ALPHA
    a = 1 / np.sqrt((1 - p) * (1 + p * low**2))
    return a * (x * mask + low * (1 - mask)), lambda dy: a * mask * dy
