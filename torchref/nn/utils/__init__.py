"""Mirrors `torch.nn.utils`."""

from torchref.nn.utils import parametrizations, parametrize

__all__ = ["parametrizations", "parametrize"]
