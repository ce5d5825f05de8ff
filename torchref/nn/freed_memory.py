"""Freed memory stays with the process, up to 60 MB of it, so that the next step need not fetch it from the system."""

import numpy as np


def keep_freed_memory() -> None:
    """Allocate 31 MiB and free them at once, untouched: the C library then keeps what is freed, where it is glibc.

    A step frees its arrays at its end. glibc gives them back to the system when they are twice as large as the largest
    block that was ever mapped and freed, 256 KiB at first, and the system zeroes every page of what the next step
    allocates: of a GELU over a million entries that took more than half of the time. 32 MiB is the most that counts.
    """
    np.empty(31 << 20, np.uint8)
