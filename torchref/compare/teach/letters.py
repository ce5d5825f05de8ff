"""Real text in letters: the lessons on language train on it, and their networks write it."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from torchref.compare.data import Data
from torchref.compare.datasets.bundled import encode, help_text, text_windows
from torchref.nn.module import Module

__all__ = ["ALPHABET", "WINDOW", "text", "write"]

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
WINDOW = 16  # letters


@cache
def text() -> Data:
    """Real text in windows of 16 letters; all that is no letter is a space."""
    letters, alphabet = encode(re.sub("[^a-z]+", " ", help_text().lower())[:100_000])
    assert alphabet == ALPHABET
    return text_windows(letters, WINDOW)


def write(model: Module, rng: np.random.Generator, count: int = 160) -> str:
    """Letter by letter, each drawn from what the network expects after the last 16."""
    letters = [0]
    for _ in range(count):
        logits = model.predict(np.array([letters[-WINDOW:]]))[0, :, -1]
        p = np.exp(logits - logits.max())
        letters.append(int(rng.choice(len(p), p=p / p.sum())))
    return "".join(ALPHABET[letter] for letter in letters).strip()
