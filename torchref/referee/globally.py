"""The global judgement: the whole backward in float64, from the recorded inputs, for the gradient of every leaf."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from torchref.check.tolerance.rounding import finite
from torchref.nn.module import Array
from torchref.referee.compare import Difference, difference
from torchref.referee.local import dtypes_of
from torchref.referee.noise import Noise, unit_roundoff
from torchref.referee.recording import Recording
from torchref.referee.tape import replay

__all__ = ["TRIALS", "Globally", "is_open"]

TRIALS = 6  # of rounding, at most; most gradients need one


class Globally:
    """The leaves' gradients by the replay, to which an engine's may be compared.

    In float64 the forward is the replay's own. A value beside a kink may fall on the other side of it there than in
    float32, and often does than in a lower precision. So with `given` the backward of a run in float32 is of the run's
    own values; without, only what parts is judged once more from them. In a lower precision all is.

    `lacking`: the leaves of whose gradient an operation without entry keeps a part, as far as it is known by now.
    """

    def __init__(self, recording: Recording, *, given: bool = False) -> None:
        self.recordings = [recording]  # whose operations without entry are to be told
        self.recording = recording
        self.dtypes = dtypes_of(recording)
        self.in_float64 = self.dtypes <= {torch.float64}
        low = any(unit_roundoff(dtype) > unit_roundoff(torch.float32) for dtype in self.dtypes)
        self.given = low or (given and not self.in_float64)
        self.refs = {key: ref for key, (_, ref) in recording.leaves.items()}
        self.lacking: set[int] = set()

    def differences(self, gradients: dict[int, Array]) -> dict[int, Difference]:
        """How far each gradient is off; trials of rounding are added while one is in doubt."""
        exact: dict[int, Array] = {}
        for key, gradient in self.gradients():
            if gradient is None:
                self.lacking.add(key)
            elif key in gradients:
                exact[key] = gradient
        spreads: dict[int, Array] = {}
        found: dict[int, Difference] = {}
        trial = 0
        while exact:
            trial += 1
            noise = Noise(self.dtypes, trial)
            for key, moved in self.gradients(noise):
                if key not in exact or moved is None:
                    continue
                moved -= exact[key]
                spread = finite(np.abs(moved, out=moved)) * noise.scale
                spreads[key] = spread = np.fmax(spreads.pop(key), spread) if key in spreads else spread
                found[key] = difference(exact[key], gradients[key], spread, self.refs[key].storage.dtype)
                if not is_open(found[key], trial):
                    del exact[key], spreads[key]
            self.lacking |= exact.keys() - found.keys()
            exact = {key: gradient for key, gradient in exact.items() if key in found}
        parted = {key: gradients[key] for key, d in found.items() if not d.equal}
        if parted and not self.given and not self.in_float64:
            found |= self.from_given().differences(parted)
        return found

    def gradients(self, noise: Noise | None = None) -> Iterable[tuple[int, Array | None]]:
        """Each leaf's key and gradient, None where it lacks a part; with `noise`, all is rounded at random."""
        return replay(self.recording, noise, given=self.given)

    def from_given(self) -> Globally:
        """The same from the values of the run."""
        return Globally(self.recording, given=True)


def is_open(found: Difference, trial: int) -> bool:
    """Whether one more trial of rounding might explain the difference. The first may round nothing: in float32 what
    cancels to 0 in NumPy's order of summation need not do so in torch's."""
    return not found.equal and trial < TRIALS and not (found.certain and trial > 1)
