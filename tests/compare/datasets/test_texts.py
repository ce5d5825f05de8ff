"""Texts with labels: what is held out was not met, and every label is right."""

import numpy as np

from torchref.compare.datasets.texts import (
    AFFIRMED,
    BLAME,
    DENIED,
    NOTHING,
    PRAISE,
    UNKNOWN,
    help_paragraphs,
    numbered,
    opinion_sentences,
    opinions,
    vocabulary,
)


def test_texts_become_numbers():
    """Catches a text cut at the wrong end, a held-out word that gets a number, padding behind the last word."""
    data = numbered([("b a b", 1), ("a c", 0)], [("c b", 0), ("a a a a", 1)], 3, 2)  # words: a 2, b 3
    assert data.train_inputs.tolist() == [[3, 2, 3], [NOTHING, 2, UNKNOWN]]
    assert data.validation_inputs.tolist() == [[NOTHING, UNKNOWN, 3], [2, 2, 2]]
    assert data.train_targets.tolist() == [1, 0]
    assert data.validation_targets.tolist() == [0, 1]
    assert vocabulary(data) == 4


def test_opinions_are_new_and_right():
    """Catches a denial that keeps the sentiment, and a held-out pair that was met in training with another thing."""
    train, rest = opinion_sentences()

    def pair(text):
        words = text.split()
        return words[-1], " ".join(words[2:-1])

    for text, label in train + rest:
        word, way = pair(text)
        assert (way in AFFIRMED) != (way in DENIED)
        assert (word in PRAISE.split()) != (word in BLAME.split())
        assert label == ((word in PRAISE.split()) == (way in AFFIRMED)), text
    pairs = [{pair(text) for text, _ in part} for part in (train, rest)]
    assert not pairs[0] & pairs[1]
    assert len(pairs[0]) + len(pairs[1]) == 400
    for i in (0, 1):  # each word and each way was met: the pair is new, its parts are not
        assert {p[i] for p in pairs[1]} <= {p[i] for p in pairs[0]}
    assert {label for _, label in rest} == {0, 1}
    data = opinions()
    assert not (data.validation_inputs[:] == UNKNOWN).any()
    assert data.train_inputs.shape == (len(train), 7)


def test_paragraphs_are_new():
    """Catches a paragraph that stands in both parts, which would be recognised, and a subject that is missing."""
    data = help_paragraphs()
    train, rest = ({tuple(row) for row in part[:].tolist()} for part in (data.train_inputs, data.validation_inputs))
    assert not train & rest
    assert len(rest) > 200
    assert np.bincount(data.train_targets[:]).min() > 100
    assert (data.train_inputs[:] == UNKNOWN).mean() < 0.1
