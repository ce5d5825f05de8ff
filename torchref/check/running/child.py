"""The user's code runs in a child process, with a limit of time and of memory; the answer is always a verdict."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import os
import re
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from torchref.check.reading.forms.calling import TimeOut
from torchref.check.reading.forms.calls import how_called
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict
from torchref.check.running.message import decode, encode
from torchref.check.running.tracebacks import last_lines

SPARE = 2  # seconds between the signal that interrupts the code, and the one that ends it
TOKEN = 32  # bytes of the judge's token
LONGEST = 64 << 20  # bytes of a verdict, its pictures included
OURS = (  # lines of a traceback that do not help the user
    os.path.join(os.sep, "torchref", "check", ""),
    os.path.join(os.sep, "torchref", "cli", ""),
    os.path.join(os.sep, "torchref", "load.py"),
    "<frozen ",
    "Extension modules:",
)


@dataclass(frozen=True)
class Limits:
    """What one target's code may use. The time of computing does not depend on what else the machine does."""

    seconds: float = 60.0  # by the clock
    cpu: int | None = None  # seconds of computing; None: no limit of its own
    memory: int = 4 << 30  # bytes that it may allocate beyond what is there


DEFAULT = Limits()


def _could_not_run(error: str) -> Verdict:
    """The verdict on code that gave no answer."""
    return Verdict(COULD_NOT_RUN, error=error)


def share_torch(path: str) -> None:
    """Import torch before the fork if the file imports it: once for all children, outside of their time limit."""
    with contextlib.suppress(OSError, ImportError):
        if re.search(r"^\s*(import|from)\s+torch\b", Path(path).read_text(errors="replace"), re.M):
            importlib.import_module("torch")


def _limit_resources(limits: Limits) -> None:
    """A huge allocation raises MemoryError instead of taking the machine down; computing too long ends the process."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open("/proc/self/statm") as f:
            pages = int(f.read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limits.memory,) * 2)
    if limits.cpu is not None:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu + SPARE, limits.cpu + 2 * SPARE))


def _guarded(work: Callable[[], Verdict], limits: Limits) -> Verdict:
    """The verdict of `work`; an exception becomes a verdict that reports it."""
    try:
        return work()
    except TimeOut as problem:
        lines = last_lines(problem) or "the search for the mistake, after your code had run"
        more = "--timeout SECONDS gives it more time" if limits.cpu is None else ""
        return Verdict(COULD_NOT_RUN, error=f"{problem}\n{lines}", called=_called(problem), option=more)
    except MemoryError as problem:
        error = f"it asked for more memory than it may have ({limits.memory / (1 << 30):g} GiB)\n{last_lines(problem)}"
        return Verdict(COULD_NOT_RUN, error=error, called=_called(problem))
    except BaseException as problem:  # noqa: BLE001 -- the user's code has changed what we are made of: anything may come
        last = "".join(traceback.format_exception(problem)[-4:])
        return _could_not_run(f"the check itself failed on this code:\n{last}")


def _watched(work: Callable[[], Verdict], limits: Limits) -> Verdict:
    """The verdict of `work`, which does not count if the user's code changed NumPy; NumPy is put back as it was."""
    before = dict(vars(np))
    verdict = _guarded(work, limits)
    changed = [name for name, value in before.items() if name[0] != "_" and vars(np).get(name) is not value]
    vars(np).update({name: before[name] for name in changed})
    if changed and verdict.verdict != COULD_NOT_RUN:
        return _could_not_run(f"it changed numpy.{changed[0]}, with which the judge compares")
    return verdict


def _called(problem: BaseException) -> str:
    """How the code was called, if the exception knows."""
    return how_called(getattr(problem, "calls", ()))


def run(work: Callable[[], Verdict], limits: Limits = DEFAULT, limited: bool = True) -> Verdict:
    """The verdict of `work()` in a forked child, or one that says why no answer came back.

    The child gets a signal when its time is up: its traceback then says where it was. Two seconds later it is killed.
    Where no process can be forked, the work is done in this one, without limits: a browser's page ends its worker.
    """
    if not _can_fork():
        return _watched(work, limits)
    with tempfile.TemporaryFile(mode="w+b") as log:
        return _fork(work, limits, log, limited)


def _fork(work: Callable[[], Verdict], limits: Limits, log: BinaryIO, limited: bool) -> Verdict:
    """The child's answer; if the child crashes, `log` holds its last traceback.

    The answer is the token, the document's length in 8 bytes, and the document. The token is drawn for this child
    alone. What the user's code writes into the pipe does not begin with it, and is refused.
    """
    token = os.urandom(TOKEN)
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
            document = _answer(work, limits, log, limited)
            with os.fdopen(write, "wb") as pipe:
                pipe.write(token + len(document).to_bytes(8, "big") + document)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    verdict = None
    try:
        verdict = decode(receive(read, token, time.monotonic() + limits.seconds + SPARE))
    except TimeoutError:
        verdict = _could_not_run(f"it did not finish within {limits.seconds:g} s (and could not be interrupted)")
    except ValueError as problem:
        verdict = _could_not_run(str(problem))
    except EOFError:
        pass  # its exit status says why
    finally:
        os.close(read)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)  # it has answered, or it never will
        _, status = os.waitpid(pid, 0)
    return verdict or _could_not_run(f"the process died ({_ending(status)})\n{_last_traceback(log)}")


def _answer(work: Callable[[], Verdict], limits: Limits, log: BinaryIO, limited: bool) -> bytes:
    """In the child: the document of the verdict."""
    sys.stdout = sys.stderr
    os.dup2(2, 1)  # what the user's code prints must not mix with our answer
    faulthandler.enable(log)
    warnings.simplefilter("ignore")
    _interrupt(signal.SIGALRM, signal.ITIMER_REAL, limits.seconds, "")
    if limits.cpu is not None:
        faulthandler.register(signal.SIGXCPU, log, chain=True)
        _interrupt(signal.SIGPROF, signal.ITIMER_PROF, limits.cpu, " of computing")
    if limited:  # CUDA asks for far more addresses than memory
        _limit_resources(limits)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    verdict = _watched(work, limits)
    for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 0)
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
    try:
        return encode(verdict)
    except Exception as problem:  # noqa: BLE001 -- the user's code has changed what the judge is made of
        return encode(_could_not_run(f"the verdict cannot be written: {problem!r}"))


def receive(pipe: int, token: bytes, deadline: float) -> bytes:
    """The document that the child sent.

    Errors: EOFError if there is none; ValueError if it is not the child's, too long or cut off; TimeoutError.
    """
    header = _read_exactly(pipe, TOKEN + 8, deadline)
    if not header:
        raise EOFError
    if header[:TOKEN] != token:
        raise ValueError("it wrote into the judge's pipe: the answer does not begin with the judge's token")
    size = int.from_bytes(header[TOKEN:], "big")
    if len(header) == TOKEN + 8 and size > LONGEST:
        raise ValueError(f"the verdict has {size} bytes; at most {LONGEST} are read")
    document = _read_exactly(pipe, size, deadline)
    if len(header) < TOKEN + 8 or len(document) < size:
        raise ValueError(f"the verdict is cut off: its end is missing after {len(document)} bytes")
    return document


def _read_exactly(pipe: int, size: int, deadline: float) -> bytes:
    """The next `size` bytes; fewer if the pipe ends before. Errors: TimeoutError."""
    data = bytearray()
    while len(data) < size:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        chunk = os.read(pipe, min(size - len(data), 1 << 20))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def _ending(status: int) -> str:
    """How a process ended."""
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGKILL:  # by the system, or by us after the end of the pipe
            return "SIGKILL: the machine's memory was full, its time was over, or the code closed the judge's pipe"
        if os.WTERMSIG(status) == signal.SIGXCPU:
            return "SIGXCPU: it computed for longer than it may, and could not be interrupted"
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def _last_traceback(log: BinaryIO) -> str:
    """The user's own lines in what faulthandler wrote."""
    log.seek(0)
    lines = log.read(1 << 16).decode(errors="replace").splitlines()
    return "\n".join([line for line in lines if line.strip() and not any(o in line for o in OURS)][:8])


def _interrupt(which: signal.Signals, timer: int, seconds: float, of_what: str) -> None:
    """Raise TimeOut in the user's code when this timer has run for so long."""

    def handler(*_: Any) -> None:
        raise TimeOut(f"it did not finish within {seconds:g} s{of_what}; it was at:")

    signal.signal(which, handler)
    signal.setitimer(timer, seconds)


def _can_fork() -> bool:
    """Whether there are processes to be had: a browser's Python has os.fork, and it always fails."""
    return hasattr(os, "fork") and sys.platform != "emscripten" and not _cuda_in_use()


def _cuda_in_use() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()
