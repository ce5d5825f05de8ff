"""The cases of connectionist temporal classification."""

import numpy as np

from tests.cases import Case, choice, integers, normal, strided


def log_probabilities(*shape):
    def draw(rng):
        x = rng.standard_normal(shape)
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))

    return draw


def ctc(note, log_probs, targets, input_lengths, target_lengths, **options):
    """torch's gradient is that in front of a log_softmax, so differences of the loss are no witness (see test_ctc)."""
    inputs = (log_probs, targets, input_lengths, target_lengths)
    return Case("CTCLoss", (), options, inputs=inputs, witness=False, note=note)


X = log_probabilities(11, 3, 5)
PADDED = integers(5, 3, 4, low=1)
REPEATED = np.array([[1, 1, 2, 2], [3, 3, 3, 9], [4, -1, -1, -1]])  # what lies beyond a length does not count
ARRAYS = (np.array([11, 7, 9]), np.array([4, 3, 1]))

CASES = [
    *(ctc("padded", X, PADDED, *ARRAYS, reduction=r) for r in ("none", "mean", "sum")),
    *(ctc("repeated", X, REPEATED, *ARRAYS, reduction=r) for r in ("none", "mean")),
    ctc("concatenated", X, integers(5, 8, low=1), *ARRAYS),
    ctc("tuples", X, PADDED, (11, 7, 9), (4, 3, 1)),
    ctc("lists", X, PADDED, [11, 7, 9], [4, 3, 1]),
    ctc("int32", X, REPEATED.astype(np.int32), *(a.astype(np.int32) for a in ARRAYS)),
    ctc("blank in the middle", X, choice([0, 1, 3, 4], 3, 4), *ARRAYS, blank=2),
    ctc("labels that are blanks", X, integers(5, 3, 4), *ARRAYS),
    ctc("unbatched", log_probabilities(11, 5), integers(5, 4, low=1), np.array(9), np.array(4)),
    ctc("unbatched tuples", log_probabilities(11, 5), integers(5, 4, low=1), (9,), (4,), reduction="none"),
    ctc("unbatched padded", log_probabilities(11, 5), integers(5, 1, 4, low=1), (9,), (4,), reduction="none"),
    ctc("no targets", X, PADDED, (11, 7, 9), (0, 3, 0), reduction="none"),
    ctc("no targets at all", X, PADDED, (11, 7, 1), (0, 0, 0)),
    ctc("no input", X, PADDED, (0, 0, 9), (0, 2, 1), reduction="none"),
    ctc("one step", X, PADDED, (1, 1, 1), (1, 1, 0), reduction="none"),
    *(
        ctc(f"too long {z}", X, REPEATED, (5, 11, 9), (4, 3, 1), reduction=r, zero_infinity=z)
        for z in (False, True)
        for r in ("none", "mean", "sum")
    ),
    ctc("strided", strided(X), strided(PADDED), *ARRAYS),
    ctc("logits", normal(11, 3, 5), PADDED, *ARRAYS),
]
