"""The global judgement: the whole backward in float64, from the recorded inputs, for the gradient of every leaf."""

from __future__ import annotations

import numpy as np
import torch

from torchref.check.tolerance.rounding import finite
from torchref.nn.module import Array
from torchref.referee.compare import Difference, difference
from torchref.referee.local import dtypes_of
from torchref.referee.noise import Noise, unit_roundoff
from torchref.referee.record import Recording
from torchref.referee.tape import replay

__all__ = ["TRIALS", "Globally", "is_open"]

TRIALS = 6  # of rounding, at most; most gradients need one


class Globally:
    """The leaves' gradients by the replay, to which several engines' may be compared.

    In float64 and float32 the forward is the replay's own. A value beside a kink may fall on the other side of it there
    than in float32, and often does than in a lower precision: so what parts in float32 is judged once more from the
    run's own values (`given`), and in a lower precision all is.

    `exact`: the gradients by leaf; `lacking`: the leaves of whose gradient an operation without entry keeps a part.
    """

    def __init__(self, recording: Recording, *, given: bool = False) -> None:
        self.recordings = [recording]  # whose operations without entry are to be told
        self.recording = recording
        dtypes = dtypes_of(recording)
        self.in_float64 = dtypes <= {torch.float64}
        self.given = given or any(unit_roundoff(dtype) > unit_roundoff(torch.float32) for dtype in dtypes)
        shadows, lacking = replay(recording, given=self.given)
        self.refs = {key: ref for key, (_, ref) in recording.leaves.items() if ref.storage not in lacking}
        self.lacking = set(recording.leaves) - set(self.refs)
        self.exact = {key: shadows.see(ref) for key, ref in self.refs.items()}
        self.spreads = {key: np.zeros(ref.size) for key, ref in self.refs.items()}
        self.trials = 0

    def differences(self, gradients: dict[int, Array]) -> dict[int, Difference]:
        """How far each gradient is off; trials of rounding are added while one is in doubt."""
        found = {key: self.difference(key, gradient) for key, gradient in gradients.items() if key in self.refs}
        while doubtful := [key for key, d in found.items() if is_open(d, self.trials)]:
            self.try_once_more()
            found |= {key: self.difference(key, gradients[key]) for key in doubtful}
        parted = {key: gradients[key] for key, d in found.items() if not d.equal}
        if parted and not self.given and not self.in_float64:
            found |= self.from_given().differences(parted)
        return found

    def from_given(self) -> Globally:
        """The same from the values of the run."""
        return Globally(self.recording, given=True)

    def difference(self, key: int, gradient: Array) -> Difference:
        u = unit_roundoff(self.refs[key].storage.dtype)
        return difference(self.exact[key], gradient, self.spreads[key], u)

    def try_once_more(self) -> None:
        """One more trial of rounding: the spreads grow to the largest that was seen."""
        self.trials += 1
        noise = Noise(dtypes_of(self.recording), self.trials)
        moved, _ = replay(self.recording, noise, given=self.given)
        for key, ref in self.refs.items():
            apart = finite(np.abs(moved.see(ref) - self.exact[key])) * noise.scale
            self.spreads[key] = np.fmax(self.spreads[key], apart)


def is_open(found: Difference, trial: int) -> bool:
    """Whether one more trial of rounding might explain the difference."""
    return not found.equal and trial < TRIALS and (trial == 0 or not found.certain)
