"""Texts with labels, as word numbers: real paragraphs with their subject, made sentences with their sentiment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from torchref.compare.data import Data
from torchref.nn.module import Array

__all__ = [
    "AFFIRMED",
    "BLAME",
    "DENIED",
    "PRAISE",
    "SUBJECTS",
    "help_paragraphs",
    "numbered",
    "opinion_sentences",
    "opinions",
    "vocabulary",
]

NOTHING, UNKNOWN = 0, 1  # a text's end reached, a word that the training texts (almost) never have

SUBJECTS = {  # Python's own help texts, by what they are about
    "statements": "assert assignment break class compound continue del for function global if import nonlocal pass "
    "raise return try while with yield",
    "objects": "types specialnames objects customization attribute-access numeric-types sequence-types callable-types "
    "context-managers",
    "library": "string-methods formatstrings typesseq typesmapping typesseq-mutable typesfunctions typesmethods",
}

THINGS = "film book meal room song hotel lesson story garden journey play soup"
PRAISE = (
    "good great lovely charming excellent wonderful pleasant brilliant delightful superb fine beautiful funny clever "
    "fresh exciting warm perfect enjoyable splendid"
)
BLAME = (
    "bad poor awful boring terrible horrible unpleasant stupid dreadful miserable weak ugly dull clumsy stale tedious "
    "cold useless painful disgusting"
)
AFFIRMED = ("is", "was", "is really", "was very", "is truly")
DENIED = ("is not", "was never", "is hardly", "was anything but", "is far from")


def help_paragraphs(length: int = 40, least: int = 3) -> Data:
    """Paragraphs of Python's help texts (pydoc_data.topics) -> which of the three SUBJECTS: (N, length) -> (N,).

    About 900, by Python's version, 30 % of them held out. Paragraphs of less than 12 words, and those that stand under
    several subjects, are left out; words that occur less than `least` times in the training paragraphs are unknown.
    """
    from pydoc_data.topics import topics

    found: dict[str, set[int]] = {}
    for label, names in enumerate(SUBJECTS.values()):
        for name in names.split():
            for paragraph in re.split(r"\n\s*\n", topics.get(name, "")):
                text = " ".join(re.findall("[a-z]+", paragraph.lower()))
                if text.count(" ") >= 11:
                    found.setdefault(text, set()).add(label)
    single = [(text, labels.pop()) for text, labels in found.items() if len(labels) == 1]
    order = np.random.default_rng(0).permutation(len(single))
    held_out = round(0.3 * len(single))
    train, rest = [single[i] for i in order[held_out:]], [single[i] for i in order[:held_out]]
    return numbered(train, rest, length, least)


def opinions(sentences: int = 4) -> Data:
    """Sentences such as "the film was anything but dull" -> 0 blame, 1 praise: (N, 7) -> (N,).

    Made, since no texts with sentiments ship with Python or scikit-learn: 40 words of praise and blame, 5 ways to
    affirm and 5 to deny, each pair with `sentences` of the 12 things. Of these 400 pairs 30 % are held out whole: who
    names the sentiment of "was anything but dull" has not met it, nor a sentence that says the same of another thing.
    """
    train, rest = opinion_sentences(sentences)
    return numbered(train, rest, 7, 1)


def opinion_sentences(sentences: int = 4) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The sentences of `opinions` and their labels, training and held-out part."""
    rng = np.random.default_rng(0)
    pairs = [
        (word, way, int((words is PRAISE) == (way in AFFIRMED)))
        for words in (PRAISE, BLAME)
        for word in words.split()
        for way in AFFIRMED + DENIED
    ]
    order = rng.permutation(len(pairs))
    parts: tuple[list[tuple[str, int]], list[tuple[str, int]]] = [], []
    for place, index in enumerate(order):
        word, way, label = pairs[index]
        for thing in rng.choice(THINGS.split(), sentences, replace=False):
            parts[place < 0.3 * len(pairs)].append((f"the {thing} {way} {word}", label))
    return parts


def numbered(train: Sequence[tuple[str, int]], rest: Sequence[tuple[str, int]], length: int, least: int) -> Data:
    """Texts as the numbers of their first `length` words, NOTHING in front of shorter ones; words are training's."""
    counts = Counter(word for text, _ in train for word in text.split())
    words = sorted(word for word, count in counts.items() if count >= least)
    number = {word: i for i, word in enumerate(words, start=UNKNOWN + 1)}

    def numbers(texts: Sequence[tuple[str, int]]) -> Array:
        rows = np.full((len(texts), length), NOTHING, np.int64)
        for row, (text, _) in zip(rows, texts, strict=True):
            known = [number.get(word, UNKNOWN) for word in text.split()[:length]]
            row[length - len(known) :] = known
        return rows

    labels = [np.array([label for _, label in texts], np.int64) for texts in (train, rest)]
    return Data(numbers(train), labels[0], numbers(rest), labels[1])


def vocabulary(data: Data) -> int:
    """How many word numbers there are: a network's embedding needs a row for each."""
    return int(data.train_inputs[:].max()) + 1
