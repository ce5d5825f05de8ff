"""`make cuda`: every item on this machine's CUDA device, and a summary with figures. At most 8 minutes.

`python -m tests.cuda cpu` goes through the same items on the processor. Exit status 0: all passed, 1: one failed, 2:
there is no such device.
"""

import sys
import tempfile
import time

import torch

from tests.cuda.items import ITEMS, NotHere

BUDGET = 8 * 60.0  # seconds; what has not begun by then is said to be left out, and is no pass


def main(device: str = "cuda") -> int:
    """Run the items, print a line each, and the verdict."""
    if device == "cuda" and not torch.cuda.is_available():
        print("cuda: torch finds no CUDA device here; python -m tests.cuda cpu tries the same on the processor")
        return 2
    name = torch.cuda.get_device_name() if device == "cuda" else "the processor"
    print(f"torch {torch.__version__} on {name}", flush=True)
    began, failed = time.perf_counter(), []
    for title, item in ITEMS.items():
        started = time.perf_counter()
        if started - began > BUDGET:
            said, failed = "left out: the 8 minutes are over", [*failed, title]
        else:
            with tempfile.TemporaryDirectory() as out:
                try:
                    said = f"passed  {item(device, out)}"
                except NotHere as error:
                    said = f"skipped {error}"
                except Exception as error:
                    said, failed = f"FAILED  {type(error).__name__}: {error}", [*failed, title]
        print(f"{title:28} {time.perf_counter() - started:6.1f} s  {said}", flush=True)
    print(f"{len(ITEMS) - len(failed)} of {len(ITEMS)} without a failure, in {time.perf_counter() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
