"""Mirrors `torch.nn.utils`."""

from torchref.nn.utils import parametrizations, parametrize, rnn

__all__ = ["parametrizations", "parametrize", "rnn"]
