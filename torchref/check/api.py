"""The Python interface: `check` a function, a class or a pair; `assert_gradient` in a test."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torchref.check.diagnosis import optimizers
from torchref.check.diagnosis.diagnose import diagnose
from torchref.check.ops.find import UnknownOp, find
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading.forms.calling import CouldNotRun, TimeOut
from torchref.check.reading.forms.recognise import look_up
from torchref.check.reading.targets import Target
from torchref.check.reading.targets import targets as find_targets
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict
from torchref.check.running import child
from torchref.check.running.tracebacks import last_lines
from torchref.load import load_file


def check(
    function: Any,
    against: str,
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    device: str | None = None,
    only: str | Sequence[str] | None = None,
) -> Verdict:
    """Judge a gradient: `function` is a closure, a pair `(forward, backward)`, a class, a gradient function, an
    autograd.Function or an optimizer's step; `against` is torch's name of what it should compute, options included.

    `form` names the form where it cannot be recognised; `arguments` names torch's arguments in the user's order.
    `only` names the gradients to judge, where the others do not matter.
    The code runs in a child process, for at most `timeout` seconds. `device="cuda"` judges an autograd.Function there.
    Errors: TypeError where `against` is no name.
    """
    if not isinstance(against, str) or not against.strip():
        raise TypeError(f"check(): against must be torch's name of what is computed, such as 'relu'; found {against!r}")
    name = getattr(
        function[0] if isinstance(function, tuple | list) and function else function,
        "__name__",
        type(function).__name__,
    )
    stated, chosen = split(arguments), split(only)
    return child_verdict(
        lambda: judge(function, against, form, stated, name, device, chosen), timeout, name, against, device
    )


def split(arguments: str | Sequence[str] | None) -> list[str] | None:
    if arguments is None:
        return None
    parts = arguments.split(",") if isinstance(arguments, str) else list(arguments)
    return [p.strip() for p in parts if p.strip()]


def child_verdict(
    work: Callable[[], Verdict], timeout: float, name: str, against: str, device: str | None = None
) -> Verdict:
    start = time.perf_counter()
    verdict = child.run(work, timeout, limited=device != "cuda")
    verdict.seconds = time.perf_counter() - start
    verdict.name = verdict.name or name
    verdict.against = verdict.against or against
    return verdict


def judge(
    function: Any,
    against: str,
    form: str | None,
    stated: list[str] | None,
    name: str,
    device: str | None = None,
    only: list[str] | None = None,
) -> Verdict:
    """The verdict in this process: an optimizer's step or an operation's gradient."""
    if optimizers.names(against) is not None:
        return optimizers.diagnose(function, against, stated, name)
    try:
        op = find(against)
    except UnknownOp as problem:
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=str(problem))
    if form == "optimizer":
        return Verdict(
            COULD_NOT_RUN,
            name=name,
            against=against,
            error=f"{against} is no optimizer; expected one of {', '.join(OPTIMIZERS)}",
        )
    if device not in (None, "cpu", "cuda"):
        return Verdict(COULD_NOT_RUN, error=f"there is no device {device!r}; expected cpu or cuda")
    return diagnose(function, op, form, stated, name=name, device=device, only=only)


def assert_gradient(
    function: Any,
    against: str,
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    hints: int = 3,
    timeout: float = 60.0,
    only: str | Sequence[str] | None = None,
) -> None:
    """Fail with the diagnosis if `function` is not right, or if a gradient was not judged; `only` says which count."""
    __tracebackhide__ = True
    verdict = check(function, against, form, arguments, timeout=timeout, only=only)
    if not verdict.ok:
        raise AssertionError(verdict.text(hints))


def in_file(
    path: str,
    name: str,
    against: str,
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    device: str | None = None,
    only: str | Sequence[str] | None = None,
) -> Verdict:
    """The verdict on `name` of a user's file; the file is imported in the child process, too."""
    stated, chosen = split(arguments), split(only)

    def work() -> Verdict:
        if not Path(path).is_file():
            return Verdict(COULD_NOT_RUN, error=f"there is no file {path}")
        try:
            module = load_file(Path(path).resolve())
        except (MemoryError, TimeOut):
            raise
        except BaseException as problem:
            return Verdict(COULD_NOT_RUN, error=f"{path} cannot be imported:\n{last_lines(problem)}")
        try:
            target = look_up(module, name)
        except CouldNotRun as problem:
            return Verdict(COULD_NOT_RUN, error=f"{path}: {problem}")
        if not inspect.ismodule(target) and not callable(target) and not isinstance(target, tuple):
            return Verdict(COULD_NOT_RUN, error=f"{path}: {name} is a {type(target).__name__}, not a function or class")
        return judge(target, against, form, stated, name, device, chosen)

    child.share_torch(path)
    verdict = child_verdict(work, timeout, name, against, device)
    verdict.file = path
    return verdict


def in_files(
    targets: Sequence[str],
    against: str | None = None,
    form: str | None = None,
    arguments: str | None = None,
    timeout: float = 60.0,
    device: str | None = None,
    only: str | None = None,
) -> list[Verdict]:
    """The verdict on each target that `targets` names: `FILE.py:NAME`, a file or a directory, with `=OP` or without."""
    return [
        Verdict(COULD_NOT_RUN, name=t.name, file=t.path, error=t.error)
        if t.error
        else as_promised(
            t, in_file(t.path, t.name, t.against, form, arguments, timeout=timeout, device=device, only=only)
        )
        for t in find_targets(targets, against)
    ]


def as_promised(target: Target, verdict: Verdict) -> Verdict:
    """The verdict on what was found by its name alone: a forward that is not torch's is then no mistake."""
    if not target.guessed or not any(f.gradient == "output" for f in verdict.findings):
        return verdict
    error = (
        f"it has the name of {target.against}, and its forward is another function: "
        f"say what it should compute, as {target.path}:{target.name}=OP"
    )
    return Verdict(COULD_NOT_RUN, against=verdict.against, name=verdict.name, file=verdict.file, error=error)
