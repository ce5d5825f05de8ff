"""A process that a worker of a cluster keeps for tasks: `python -P -m torchref.compare.tasks.child`.

Tasks come on stdin, messages go to stdout, both pickled. A worker's death closes stdin, which ends this process: so no
orphan goes on with a task that another worker has been given.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from torchref.compare.tasks.task import attempt

__all__ = ["main"]

GRACE = 10.0  # seconds for a task to clean up


def main() -> None:
    """Run one task after the other, until there is None."""
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a task prints is no message
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the worker's terminal; the worker ends this process
    signal.signal(signal.SIGTERM, _interrupt)
    inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    sys.path.insert(0, pickle.load(sys.stdin.buffer))
    threading.Thread(target=_read, args=(sys.stdin.buffer, inbox), daemon=True).start()

    def send(*message: Any) -> None:
        pickle.dump(message, messages)
        messages.flush()

    try:
        while (packed := inbox.get()) is not None:
            result, error = attempt(_call, lambda step, steps: send("progress", step, steps), (packed,))
            send("done", pickle.dumps(result), error)
    except KeyboardInterrupt:
        pass
    os._exit(0)  # not `return`: the thread holds stdin, which Python would close


def _call(report: Any, packed: bytes) -> Any:
    """The task; unpacked here, so that a module which is not found is the task's error."""
    function, task = pickle.loads(packed)
    return function(report, *task)


def _read(stdin: BinaryIO, inbox: queue.SimpleQueue[bytes | None]) -> None:
    """Hand on the tasks. At the end of stdin the worker is dead: the task at hand is interrupted."""
    try:
        while (packed := pickle.load(stdin)) is not None:
            inbox.put(packed)
        inbox.put(None)
    except EOFError:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(GRACE)
        os._exit(1)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
