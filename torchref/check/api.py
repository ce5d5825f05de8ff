"""The Python interface: `check` a function, a class or a pair; `assert_gradient` in a test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torchref.check.diagnosis import optimizers
from torchref.check.diagnosis.diagnose import diagnose
from torchref.check.ops.find import UnknownOp, find
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading.forms.calling import CouldNotRun, TimeOut
from torchref.check.reading.forms.recognise import look_up
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict
from torchref.check.running import child
from torchref.check.running.tracebacks import last_lines
from torchref.load import load_file, project_on_path


def check(
    function: Any,
    against: str,
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    device: str | None = None,
    only: str | Sequence[str] | None = None,
    strict: bool = False,
) -> Verdict:
    """Judge a gradient: `function` is a closure, a pair `(forward, backward)`, a class, a gradient function, an
    autograd.Function or an optimizer's step; `against` is torch's name of what it should compute, options included.

    With `strict` the conventions of other texts are mistakes: a halved loss, a running variance by n, eps elsewhere.
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
        lambda: judge(function, against, form, stated, name, device, chosen, strict), timeout, name, against, device
    )


def split(arguments: str | Sequence[str] | None) -> list[str] | None:
    if arguments is None:
        return None
    parts = arguments.split(",") if isinstance(arguments, str) else list(arguments)
    return [p.strip() for p in parts if p.strip()]


def child_verdict(
    work: Callable[[], Verdict], timeout: float, name: str, against: str, device: str | None = None
) -> Verdict:
    verdict = child.run(work, timeout, limited=device != "cuda")
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
    strict: bool = False,
) -> Verdict:
    """The verdict in this process: an optimizer's step or an operation's gradient."""
    if optimizers.names(against) is not None:
        return optimizers.diagnose(function, against, stated, name, strict)
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
    return diagnose(function, op, form, stated, name=name, device=device, only=only, strict=strict)


def assert_gradient(
    function: Any,
    against: str,
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    hints: int = 3,
    timeout: float = 60.0,
    only: str | Sequence[str] | None = None,
    strict: bool = False,
) -> None:
    """Fail with the diagnosis if `function` is not right, or if a gradient was not judged; `only` says which count."""
    __tracebackhide__ = True
    verdict = check(function, against, form, arguments, timeout=timeout, only=only, strict=strict)
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
    strict: bool = False,
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
        return judge(target, against, form, stated, name, device, chosen, strict)

    def among_its_own() -> Verdict:
        with project_on_path(Path(path)):  # a function may import a module of its project when it is called
            return work()

    child.share_torch(path)
    return child_verdict(among_its_own, timeout, name, against, device)


def in_files(
    targets: Sequence[str],
    against: str | None = None,
    form: str | None = None,
    arguments: str | None = None,
    timeout: float = 60.0,
    device: str | None = None,
    only: str | None = None,
    strict: bool = False,
) -> list[Verdict]:
    """The verdict on each `FILE.py:NAME` or `FILE.py:NAME=OP`."""
    verdicts: list[Verdict] = []
    for target in targets:
        place, equals, op = target.partition("=")
        path, colon, name = place.rpartition(":")
        wanted = op if equals else against
        if not colon or not path or not name:
            error = f"expected FILE.py:NAME or FILE.py:NAME=OP, found {target!r}"
            verdicts.append(Verdict(COULD_NOT_RUN, name=target, error=error))
        elif not wanted:
            error = "say what it should compute: --against OP, or FILE.py:NAME=OP"
            verdicts.append(Verdict(COULD_NOT_RUN, name=name, error=error))
        else:
            more: dict[str, Any] = {"timeout": timeout, "device": device, "only": only, "strict": strict}
            verdicts.append(in_file(path, name, wanted, form, arguments, **more))
    return verdicts
