"""The tiny comparison, with settings under which a run fails, is killed, or hangs until it is."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from tests.compare import tiny as base

CURED = Path(os.environ.get("TORCHREF_TEST_CURED", "/nonexistent"))
HANGS = Path(os.environ.get("TORCHREF_TEST_HANGS", "/nonexistent"))  # is made once the run hangs


def fragile(nn, p, activation="ReLU", trouble="none"):
    if not CURED.exists():
        if trouble == "error":
            raise RuntimeError("this one cannot be built\nfor reasons of its own")
        if trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "hang":
            HANGS.touch()
            while True:
                time.sleep(1)
    assert activation in ("ReLU", "Tanh")
    return base.model(nn, p)


sweepable = replace(base.tiny, name="sweepable", model=fragile)
