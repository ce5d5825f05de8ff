"""The reference's named intermediates, in the order in which a backward meets them: what it has kept, then its own.

A user's variable that carries one of these names is compared with the value of that name. Names mean different things
to different people, so that a step lists every value that usually goes by its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, plain
from torchref.check.ops.formula import intermediates
from torchref.check.probes import Probe


def steps(p: Probe, upstream: dict[str, Any]) -> list[Step]:
    """The named intermediates of a probe, in backward order."""
    with np.errstate(all="ignore"):
        return [
            Step(k.name, k.meaning, tuple(k.names.split()), values, k.feeds)
            for k, values in intermediates(p.op, p.namespace(), upstream)
        ]


__all__ = ["Step", "plain", "steps"]
