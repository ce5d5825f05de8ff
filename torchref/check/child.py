# ruff: noqa: E501
"""User code runs in a child process, with a time limit and a memory limit: whatever it does, the answer is ours."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import os
import pickle
import re
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchref.check.forms.base import TimeOut
from torchref.check.verdict import COULD_NOT_RUN, Verdict

MEMORY = 4 << 30  # bytes a user's code may allocate beyond what is there


def share_torch(path: str) -> None:
    """Import torch for a file that will: once for all its children, and outside of their time limit."""
    with contextlib.suppress(OSError, ImportError):
        if re.search(r"^\s*(import|from)\s+torch\b", Path(path).read_text(errors="replace"), re.M):
            importlib.import_module("torch")


def limit_memory() -> None:
    """A huge allocation raises MemoryError instead of taking the machine down."""
    try:
        import resource

        with open("/proc/self/statm") as f:
            pages = int(f.read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass


def guarded(work: Callable[[], Verdict]) -> Verdict:
    """Run `work`; an exception that is not the user's either is reported as such."""
    from torchref.check.tracebacks import last_lines

    try:
        return work()
    except TimeOut as problem:
        return Verdict(COULD_NOT_RUN, error=f"{problem}\n{last_lines(problem)}")
    except MemoryError as problem:
        return Verdict(
            COULD_NOT_RUN,
            error=f"it asked for more memory than it may have ({MEMORY >> 30} GiB)\n{last_lines(problem)}",
        )
    except BaseException as problem:
        return Verdict(
            COULD_NOT_RUN,
            error=f"the check itself failed on this code:\n{''.join(traceback.format_exception(problem)[-4:])}",
        )


def run(work: Callable[[], Any], timeout: float = 60.0, limited: bool = True) -> Any:
    """`work()` in a forked child; a Verdict that says what happened if no answer comes back.

    The child gets a signal when its time is up, so that its traceback says where it was; two seconds later it is killed.
    """
    if not hasattr(os, "fork") or cuda_in_use():
        return guarded(work)
    with tempfile.TemporaryFile(mode="w+b") as log:
        return fork(work, timeout, log, limited)


def fork(work: Callable[[], Any], timeout: float, log: Any, limited: bool) -> Any:
    """The child's answer; where it crashes, `log` holds its last traceback."""
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking beside threads
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            sys.stdout = sys.stderr
            os.dup2(2, 1)  # what the user's code prints must not mix with our answer
            faulthandler.enable(log)
            warnings.simplefilter("ignore")
            signal.signal(signal.SIGALRM, alarm(timeout))
            signal.setitimer(signal.ITIMER_REAL, timeout)
            if limited:  # CUDA asks for far more addresses than memory
                limit_memory()
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)
            answer = guarded(work)
            signal.setitimer(signal.ITIMER_REAL, 0)
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(answer, pipe)
            status = 0
        finally:
            with contextlib.suppress(BaseException):
                sys.stderr.flush()
            os._exit(status)
    os.close(write)
    chunks: list[bytes] = []
    deadline = time.monotonic() + timeout + 2
    timed_out = False
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            timed_out = True
            os.kill(pid, signal.SIGKILL)
            break
        chunk = os.read(read, 1 << 20)
        if not chunk:
            break
        chunks.append(chunk)
    os.close(read)
    _, code = os.waitpid(pid, 0)
    if timed_out:
        return Verdict(COULD_NOT_RUN, error=f"it did not finish within {timeout:g} s (and could not be interrupted)")
    try:
        return pickle.loads(b"".join(chunks))  # written by our own child
    except Exception:
        log.seek(0)
        where = log.read().decode(errors="replace")
        ours = (
            os.path.join(os.sep, "torchref", "check", ""),
            os.path.join(os.sep, "torchref", "cli", ""),
            os.path.join(os.sep, "torchref", "load.py"),
            "<frozen ",
            "Extension modules:",
        )
        lines = [line for line in where.splitlines() if not any(o in line for o in ours) and line.strip()]
        name = (
            signal.Signals(os.WTERMSIG(code)).name
            if os.WIFSIGNALED(code)
            else f"exit status {os.waitstatus_to_exitcode(code)}"
        )
        return Verdict(COULD_NOT_RUN, error=f"the process died ({name})\n" + "\n".join(lines[:8]))


def alarm(timeout: float) -> Callable[..., None]:
    def handler(*_: Any) -> None:
        raise TimeOut(f"it did not finish within {timeout:g} s; it was at:")

    return handler


def cuda_in_use() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()
