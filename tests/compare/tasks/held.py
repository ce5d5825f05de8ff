"""The tiny comparison, whose training on a cluster's worker is written down step by step, and held until it is let go.

A process saves a checkpoint after every step, and notes it. After the second one it waits for the file `open`: it is
killed at a known place, however fast the machine is.
"""

import os
import time
from dataclasses import replace
from pathlib import Path

from tests.compare import tiny as base
from torchref.compare.train import checkpoint, variant

GATE = os.environ.get("TORCHREF_TEST_GATE", "")  # workers have it, the command that sends the runs has not
HELD_AT = 2  # steps

held = replace(base.tiny, name="held")

if GATE and variant.CHECKPOINT_SECONDS > 0:
    variant.CHECKPOINT_SECONDS = -1.0
    save = checkpoint.save

    def save_and_hold(folder, step, arrays, state):
        path = save(folder, step, arrays, state)
        run = folder.parents[1].name
        if state["report"] is None:
            with open(Path(GATE, "steps"), "a") as file:
                file.write(f"{run} {step} {os.getpid()}\n")
        if step == HELD_AT:
            Path(GATE, f"held {run}").write_text(str(os.getpid()))
            while not Path(GATE, "open").exists():
                time.sleep(0.05)
        return path

    checkpoint.save = save_and_hold
